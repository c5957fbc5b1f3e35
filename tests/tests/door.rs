//! The promise: the control plane is shut by nobody. While connections flood in from several addresses,
//! silent ones, half said ones and whole ones, a member joins, renews and is told of others, and the
//! admin pages answer.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use outrider_tests::ControlPlane;
use outrider_tests::joiner::{believing_anybody, dial, renew_over, secure};
use outrider_tests::member::{Member, serving};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::Code;

/// Longest any of this may take; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Connections that each flood holds open: more than the control plane takes of any kind.
const HELD: usize = 600;

/// Joins and renewals while the flood goes on.
const ROUNDS: usize = 5;

#[derive(Clone, Copy)]
enum Says {
    Nothing,
    HalfAHello,
    Everything,
}

/// Connects for ever from 127.0.0.`last`, and keeps what it has opened last.
async fn flood(to: SocketAddr, last: u8, says: Says, count: Arc<AtomicU64>) {
    let mut held = VecDeque::new();
    let tls = believing_anybody(None);
    loop {
        let Ok(mut stream) = connect(to, last).await else {
            tokio::task::yield_now().await;
            continue;
        };
        count.fetch_add(1, Relaxed);
        match says {
            Says::Nothing => held.push_back(Box::new(stream) as Box<dyn Send>),
            Says::HalfAHello => {
                // A record of TLS that announces more than it has.
                let _ = stream.write_all(&[22, 3, 1, 1, 0, 1, 0, 0, 252]).await;
                held.push_back(Box::new(stream));
            }
            Says::Everything => {
                if let Ok(stream) = secure(stream, Arc::clone(&tls)).await {
                    held.push_back(Box::new(stream));
                }
            }
        }
        if held.len() > HELD {
            held.pop_front();
        }
    }
}

async fn connect(to: SocketAddr, last: u8) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into())?;
    socket.connect(to).await
}

/// This process is both ends of every connection.
fn raise_descriptors() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("the hard limit may be had");
}

async fn in_time<T>(what: &str, doing: impl Future<Output = T>) -> T {
    let done = timeout(PATIENCE, doing).await;
    done.unwrap_or_else(|_| panic!("never: {what}"))
}

async fn page(admin: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(admin).await.expect("a connection");
    let asked = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream
        .write_all(asked.as_bytes())
        .await
        .expect("it is read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_joins_and_renews_while_connections_flood_in() {
    raise_descriptors();
    let data = tempfile::tempdir().expect("a temporary folder");
    let options = ControlPlane::options(data.path());
    let control_plane = ControlPlane::start(options).await.expect("it starts");
    let addresses = control_plane.addresses();
    let mut operator = control_plane.operator().await;
    let count = Arc::new(AtomicU64::new(0));
    let mut floods = JoinSet::new();
    for (last, says) in [
        (2, Says::Nothing),
        (3, Says::HalfAHello),
        (4, Says::Everything),
        (5, Says::Nothing),
    ] {
        floods.spawn(flood(addresses.listen, last, says, Arc::clone(&count)));
    }
    let full = async {
        while count.load(Relaxed) < 4 * HELD as u64 {
            tokio::task::yield_now().await;
        }
    };
    in_time("the flood has begun", full).await;

    for round in 0..ROUNDS {
        let joining = Member::join(addresses.listen, &mut operator, "orders");
        let member = in_time("a join", joining).await;
        let renewed = renew_over(member.channel.clone(), "orders");
        in_time("a renewal", renewed).await.expect("it renews");
        let mut announcements = member.announcements().await;
        let address = format!("127.0.0.1:{}", 1_000 + round);
        let said = announcements.say(serving("run", &address));
        in_time("a lease", said).await.expect("it is taken");
        let metrics = in_time("a page", page(addresses.admin, "/metrics")).await;
        assert!(
            metrics.contains("connections{client=\"known\"}"),
            "{metrics}"
        );
    }
    let during = count.load(Relaxed);
    let metrics = page(addresses.admin, "/metrics").await;
    floods.shutdown().await;
    let value = |name: &str| {
        let line = metrics.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.rsplit(' ').next());
        value.and_then(|value| value.parse().ok()).unwrap_or(0)
    };
    let prefix = "outrider_control_plane_connections";
    assert!(value(&format!("{prefix}{{client=\"handshake\"}}")) <= 512);
    assert!(value(&format!("{prefix}{{client=\"anonymous\"}}")) <= 256);
    let refused = value(&format!("{prefix}_refused_total{{client=\"handshake\"}}"));
    assert!(
        refused > 0,
        "the flood of {during} connections was none: {metrics}"
    );
    let address = format!("{prefix}_by_address{{address=\"127.0.0.");
    assert!(metrics.contains(&address), "{metrics}");
}

#[tokio::test]
async fn a_member_has_64_connections_and_8_streams() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let options = ControlPlane::options(data.path());
    let control_plane = ControlPlane::start(options).await.expect("it starts");
    let address = control_plane.addresses().listen;
    let mut operator = control_plane.operator().await;
    let member = Member::join(address, &mut operator, "orders").await;
    let mut streams = Vec::new();
    for _ in 0..4 {
        streams.push((member.ads(None).await, member.announcements().await));
    }
    let mut registry =
        outrider_proto::v1::registry_client::RegistryClient::new(member.channel.clone());
    let refused = registry.announce(tokio_stream::pending()).await;
    let code = refused.err().map(|status| status.code());
    assert_eq!(code, Some(Code::ResourceExhausted));

    let mut held = Vec::new();
    for _ in 1..64 {
        held.push(dial(address, member.identity.tls()).await.expect("it may"));
    }
    // TLS 1.3: the client is done before the server has looked at its certificate.
    let mut more = dial(address, member.identity.tls())
        .await
        .expect("a handshake");
    let read = in_time("its end", more.read(&mut [0; 1])).await;
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    let other = Member::join(address, &mut operator, "orders").await;
    let mut announcements = other.announcements().await;
    let said = announcements.say(serving("run", "127.0.0.1:1001")).await;
    said.expect("another member has its own");
}

#[tokio::test]
async fn a_stranger_has_ten_seconds() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let options = ControlPlane::options(data.path());
    let control_plane = ControlPlane::start(options).await.expect("it starts");
    let address = control_plane.addresses().listen;
    let mut stranger = dial(address, believing_anybody(None))
        .await
        .expect("it may");
    let mut heard = Vec::new();
    let ended = in_time("its end", stranger.read_to_end(&mut heard)).await;
    drop(ended);
    // What it was told is the beginning of HTTP/2 alone.
    assert!(heard.len() < 128, "{heard:?}");
}

#[tokio::test]
async fn whoever_holds_the_admin_pages_open_keeps_nobody_from_them() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let options = ControlPlane::options(data.path());
    let control_plane = ControlPlane::start(options).await.expect("it starts");
    let admin = control_plane.addresses().admin;
    let mut held = Vec::new();
    for _ in 0..200 {
        let mut stream = connect(admin, 7).await.expect("a connection");
        stream
            .write_all(b"GET /livez HTTP/1.1\r\nho")
            .await
            .expect("it is read");
        held.push(stream);
    }
    let answer = in_time("a page", page(admin, "/livez")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // 136 gave way at once, the others wait in vain.
    for mut stream in held {
        let read = in_time("its end", stream.read(&mut [0; 1])).await;
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
}
