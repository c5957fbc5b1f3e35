//! The promise: nothing malformed is ever forwarded, one authority serves routing, metrics and the
//! backend, and paths and deadlines outside their grammar reach nobody.

use std::net::SocketAddr;
use std::time::Duration;

use outrider_tests::hostile::ground::Backend;
use outrider_tests::hostile::requests::{self, Recorded, Recorder};
use outrider_tests::hostile::{self, Said, Target};
use outrider_tests::raw::{Block, Frame, Peer, flag};
use outrider_tests::{Hops, Way};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The service behind every [`Way`].
const SERVICE: &str = "orders";
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(10);

async fn none_is_forwarded(name: &str, size_min: usize) {
    let class = requests::all().into_iter().find(|class| class.name == name);
    let class = class.expect("a class of the list");
    println!("{}", hostile::size(&[class]));
    assert!(class.forms.len() >= size_min, "faults.md has {size_min}");
    let mut broken = Vec::new();
    for hops in Hops::ALL {
        let backend = Backend::start().await;
        let way = Way::start(hops, backend.address).await;
        for (index, form) in class.forms.iter().enumerate() {
            let target = Target {
                door: way.address().into(),
                authority: SERVICE.to_owned(),
                seen: backend.seen.clone(),
                volume: 1,
            };
            if let Err(why) = (class.run)(target, index).await {
                broken.push(format!("{hops:?} {form}: {why}"));
            }
        }
        let (_, metrics) = way.frontend.admin().page("/metrics").await;
        assert!(!metrics.contains("evil"), "a label made by a caller");
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_smuggling() {
    none_is_forwarded("request_smuggling", 36).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authority_disagreement() {
    none_is_forwarded("authority_disagreement", 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_path_confusion_cve_2026_33186() {
    none_is_forwarded("grpc_path_confusion_cve_2026_33186", 18).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_path_confusion_cve_2021_29492() {
    none_is_forwarded("plain_path_confusion_cve_2021_29492", 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_timeout_grammar() {
    none_is_forwarded("grpc_timeout_grammar", 19).await;
}

#[test]
fn the_list_has_no_class_without_a_test_here() {
    let source = include_str!("hostile_requests.rs");
    for class in requests::all() {
        let test = format!("async fn {}()", class.name);
        assert!(source.contains(&test), "no test of {}", class.name);
    }
}

/// One request of these fields, with a body; what arrived of it.
async fn arrived(fields: &[(&str, &str)]) -> (Said, Vec<Recorded>) {
    let recorder = Recorder::start().await;
    let way = Way::start(Hops::One, recorder.address).await;
    let block = fields.iter().fold(Block::new(), |block, (name, value)| {
        block.literal(name, value)
    });
    let mut peer = Peer::greet(way.address(), &[]).await.expect("a greeting");
    peer.send(&Frame::headers(1, 0, block.octets())).await;
    peer.send(&Frame::data(1, flag::END_STREAM, &[0; 5])).await;
    let said = Said::until_over(&mut peer, 1, PATIENCE).await;
    (said, recorder.recorded())
}

fn grpc<'a>(authority: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let head = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", authority),
        (":path", "/shop.v1.Orders/Get"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    [&head[..], more].concat()
}

#[tokio::test]
async fn the_backend_sees_the_one_authority_that_was_routed() {
    let host_only: Vec<_> = grpc(SERVICE, &[("host", SERVICE)])
        .into_iter()
        .filter(|(name, _)| *name != ":authority")
        .collect();
    for (fields, expected) in [
        (grpc(SERVICE, &[("host", SERVICE)]), SERVICE),
        (grpc(SERVICE, &[("host", "ORDERS")]), SERVICE),
        (
            grpc("orders:50051", &[("host", "orders:50051")]),
            "orders:50051",
        ),
        (host_only, SERVICE),
        (grpc("localhost:15001", &[]), SERVICE),
        (
            grpc(
                SERVICE,
                &[("x-forwarded-host", "evil"), ("forwarded", "host=evil")],
            ),
            SERVICE,
        ),
    ] {
        let (said, recorded) = arrived(&fields).await;
        assert_eq!(said.field(1, "grpc-status"), Some("0"), "{fields:?}");
        let authorities: Vec<_> = recorded.iter().map(|r| r.values(":authority")).collect();
        assert_eq!(authorities, [[expected]], "{fields:?}");
        assert_eq!(recorded[0].values("host"), [""; 0], "{fields:?}");
    }
}

#[tokio::test]
async fn a_plain_path_arrives_as_the_octets_it_was() {
    for path in [
        "/",
        "/a/b",
        "/a%20b",
        "/~u/a;b=c",
        "/a/...",
        "/a?b=../%2f//",
        "/a.b/c-d_e!$&'()*+,=:@",
    ] {
        let fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", SERVICE),
            (":path", path),
        ];
        let (_, recorded) = arrived(&fields).await;
        let paths: Vec<_> = recorded.iter().map(|r| r.values(":path")).collect();
        assert_eq!(paths, [[path]]);
    }
}

/// Nanoseconds of a `grpc-timeout`.
fn nanos(timeout: &str) -> u128 {
    let (digits, unit) = timeout.split_at(timeout.len() - 1);
    let unit_nanos = match unit {
        "H" => 3_600_000_000_000,
        "M" => 60_000_000_000,
        "S" => 1_000_000_000,
        "m" => 1_000_000,
        "u" => 1_000,
        _ => 1,
    };
    digits.parse::<u128>().expect("digits") * unit_nanos
}

#[tokio::test]
async fn a_forwarded_timeout_is_one_and_no_longer_than_the_one_received() {
    for timeout in [
        "99999999H",
        "00000001H",
        "1M",
        "60S",
        "99999999S",
        "60000m",
        "60000000u",
        "99999999n",
    ] {
        // The shortest is a tenth of a second: on a busy machine the call may be late, then nothing
        // is forwarded at all.
        let (said, recorded) = arrived(&grpc(SERVICE, &[("grpc-timeout", timeout)])).await;
        let sent: Vec<_> = recorded.iter().map(|r| r.values("grpc-timeout")).collect();
        if sent.is_empty() {
            assert_eq!(said.field(1, "grpc-status"), Some("4"), "{timeout}");
            continue;
        }
        let [sent] = sent[0][..] else {
            panic!("{timeout}: {sent:?}")
        };
        assert!((1..=8).contains(&(sent.len() - 1)), "{sent}");
        assert!(nanos(sent) <= nanos(timeout), "{sent} for {timeout}");
    }
}

#[tokio::test]
async fn no_time_at_all_is_no_call() {
    for timeout in ["0n", "0H", "00000000S"] {
        let (said, recorded) = arrived(&grpc(SERVICE, &[("grpc-timeout", timeout)])).await;
        assert_eq!(said.field(1, "grpc-status"), Some("4"), "{timeout}");
        assert_eq!(recorded, [], "{timeout}");
    }
}

#[tokio::test]
async fn metadata_passes_unread() {
    let long = "v".repeat(12 << 10);
    let metadata = [
        ("x-bin", "not base64 at all!"),
        ("y-bin", "===="),
        ("z-bin", ""),
        ("x-long", long.as_str()),
        ("grpc-reserved", "1"),
        ("grpc-encoding", "no-such-thing"),
        ("grpc-status", "0"),
        ("x-twice", "b"),
        ("x-twice", "a"),
        ("x-list", "a, b,,c"),
        ("x-above-ascii", "gr\u{fc}n"),
        ("x-tab", "a\tb"),
        ("!#$%&'*+-.^_`|~0", "token"),
        ("x-empty", ""),
    ];
    let (said, recorded) = arrived(&grpc(SERVICE, &metadata)).await;
    assert_eq!(said.field(1, "grpc-status"), Some("0"));
    let fields = recorded[0].fields.clone().unwrap_or_default();
    let sent: Vec<_> = metadata
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let passed: Vec<_> = fields
        .into_iter()
        .filter(|(name, _)| metadata.iter().any(|(known, _)| known == name))
        .collect();
    assert_eq!(passed, sent, "all, in order, unchanged");
}

#[tokio::test]
async fn a_value_loses_the_white_space_at_its_ends_and_nothing_else() {
    let sent = [("x-a", " a\t b "), ("x-b", "\t"), ("x-c-bin", "AAE= ")];
    let (said, recorded) = arrived(&grpc(SERVICE, &sent)).await;
    assert_eq!(said.field(1, "grpc-status"), Some("0"));
    for (name, expected) in [("x-a", "a\t b"), ("x-b", ""), ("x-c-bin", "AAE=")] {
        assert_eq!(recorded[0].values(name), [expected], "{name}");
    }
}

#[tokio::test]
async fn a_malformed_head_is_refused_in_words() {
    let recorder = Recorder::start().await;
    let way = Way::start(Hops::One, recorder.address).await;
    let cases = [
        (("X-Upper", "1"), "0x58 in the name of \"X-Upper\""),
        (("x-line", "a\nb"), "0x0a in the value of \"x-line\""),
        (("connection", "close"), "\"connection\""),
        (("te", "gzip"), "\"te\""),
        (("content-length", "5, 5"), "\"content-length\""),
        (("host", "evil"), "\"host\""),
        (("", "1"), "a field without a name"),
    ];
    for (field, named) in cases {
        let mut peer = Peer::greet(way.address(), &[]).await.expect("a greeting");
        let fields = grpc(SERVICE, &[field]);
        let block = fields.iter().fold(Block::new(), |block, (name, value)| {
            block.literal(name, value)
        });
        let frame = Frame::headers(1, flag::END_STREAM, block.octets());
        peer.send(&frame).await;
        let said = Said::until_over(&mut peer, 1, PATIENCE).await;
        let message = said.field(1, "grpc-message").unwrap_or_default();
        assert!(message.contains(named), "{field:?}: {message}");
        assert_eq!(said.goaway, None, "{field:?}");
    }
    assert_eq!(recorder.recorded().len(), 0);
}

/// What a peer hears that says `hello` to `address`, until it is closed.
async fn hears(address: SocketAddr, hello: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    socket.write_all(hello).await.expect("it is taken");
    let mut heard = Vec::new();
    let read = timeout(PATIENCE, socket.read_to_end(&mut heard)).await;
    read.expect("it is closed").expect("and not reset");
    String::from_utf8_lossy(&heard).into_owned()
}

#[tokio::test]
async fn other_protocols_are_answered_if_they_are_http1_and_counted() {
    let recorder = Recorder::start().await;
    let way = Way::start(Hops::One, recorder.address).await;
    let address = way.address();
    for request in [
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:15001\r\nAccept: */*\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nsome body",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    ] {
        let heard = hears(address, request.as_bytes()).await;
        let head = "HTTP/1.1 505 HTTP Version Not Supported\r\n";
        assert!(heard.starts_with(head), "{request}: {heard}");
        assert!(heard.contains("--http2-prior-knowledge"), "{heard}");
    }
    let hello = [0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3];
    assert_eq!(hears(address, &hello).await, "", "TLS");
    let (_, metrics) = way.frontend.admin().page("/metrics").await;
    for (protocol, count) in [("http1", 4), ("tls", 1)] {
        let name = "outrider_foreign_connections_total";
        let line = format!("{name}{{side=\"outbound\",protocol=\"{protocol}\"}} {count}");
        assert!(metrics.lines().any(|found| found == line), "{line}");
    }
    assert_eq!(recorder.recorded().len(), 0);
}

#[tokio::test]
async fn a_request_that_turns_out_malformed_never_ends_at_the_backend() {
    let recorder = Recorder::start().await;
    let way = Way::start(Hops::One, recorder.address).await;
    let head = grpc(SERVICE, &[("content-length", "6")]);
    let block = head.iter().fold(Block::new(), |block, (name, value)| {
        block.literal(name, value)
    });
    for trailers in [
        None,
        Some(Block::new().literal(":path", "/evil.Admin/Do")),
        Some(Block::new().literal("connection", "close")),
        Some(Block::new().literal("x", "a\r\nb")),
    ] {
        let mut peer = Peer::greet(way.address(), &[]).await.expect("a greeting");
        peer.send(&Frame::headers(1, 0, block.octets())).await;
        let (bytes, flags) = match trailers {
            None => (5, flag::END_STREAM),
            Some(_) => (6, 0),
        };
        peer.send(&Frame::data(1, flags, &vec![0; bytes])).await;
        if let Some(trailers) = &trailers {
            peer.send(&Frame::headers(1, flag::END_STREAM, trailers.octets()))
                .await;
        }
        let said = Said::until_over(&mut peer, 1, PATIENCE).await;
        assert_eq!(said.field(1, "grpc-status"), Some("13"), "{trailers:?}");
        let message = said.field(1, "grpc-message").unwrap_or_default();
        assert!(message.ends_with("[MALFORMED]"), "{trailers:?}: {message}");
    }
    let ended = recorder.recorded().into_iter().filter(|r| r.has_ended);
    assert_eq!(ended.count(), 0);
}
