//! Who speaks another protocol than the listener.

use outrider_engine::{Action, ConnectionId, Engine, Foreign, Side};
use outrider_policy::Tick;

use crate::world::mesh::{CALLER, Mesh, address};

/// What a peer hears that says `hello` octet by octet to a listener, whether it is let go, and what the
/// loop hears.
fn hears(engine: &mut Engine, side: Side, hello: &[u8]) -> (String, bool, Vec<Foreign>) {
    let now = Tick::from_nanos(10_000_000_000);
    let id = engine.accepted(now, side, address("127.0.0.1:4000"));
    let (mut heard, mut told, mut is_closed) = (Vec::new(), Vec::new(), false);
    for octet in hello {
        engine.received(now, id, &[*octet]);
        is_closed |= drain(engine, now, id, &mut heard, &mut told);
    }
    (
        String::from_utf8_lossy(&heard).into_owned(),
        is_closed,
        told,
    )
}

/// Does what the engine asks for. Was the connection closed?
fn drain(
    engine: &mut Engine,
    now: Tick,
    id: ConnectionId,
    heard: &mut Vec<u8>,
    told: &mut Vec<Foreign>,
) -> bool {
    let mut is_closed = false;
    while let Some(action) = engine.next_action() {
        match action {
            Action::Write(_) => {
                let output = engine.output(id).to_vec();
                engine.written(now, id, output.len());
                heard.extend(output);
            }
            Action::Close(_) => is_closed = true,
            Action::Foreign { foreign, .. } => told.push(foreign),
            other => panic!("{other:?}"),
        }
    }
    is_closed
}

#[test]
fn http1_is_answered_in_http1_at_every_listener() {
    let requests = [
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:15001\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "POST /shop.v1.Orders/Get HTTP/1.1\r\nHost: orders\r\nContent-Length: 3\r\n\r\nabc",
        "PRI * HTTP/1.1\r\n\r\n",
        "CONNECT orders:50051 HTTP/1.1\r\nHost: orders:50051\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    for (side, status, named) in [
        (
            Side::Outbound,
            "505 HTTP Version Not Supported",
            "--http2-prior-knowledge",
        ),
        (Side::Inbound, "400 Bad Request", "mutual TLS"),
    ] {
        for request in requests {
            let mut mesh = Mesh::new(1);
            let engine = &mut mesh.world.engines[CALLER];
            let is_head = request.starts_with("HEAD");
            let (heard, is_closed, told) = hears(engine, side, request.as_bytes());
            let head = format!("HTTP/1.1 {status}\r\n");
            assert!(heard.starts_with(&head), "{side:?} {request}: {heard}");
            assert_eq!(heard.contains(named), !is_head, "{request}: {heard}");
            assert!(heard.contains("\r\nconnection: close\r\n"), "{heard}");
            assert!(is_closed, "{side:?} {request}");
            assert_eq!(told, [Foreign::Http1 { is_head }]);
            let counted = engine.gauges().counters.foreign[side as usize];
            assert_eq!(counted, [1, 0, 0, 0]);
            assert_eq!(engine.gauges().counters.protocol_errors, 0);
        }
    }
}

#[test]
fn tls_at_the_plaintext_port_is_counted_and_let_go() {
    let mut mesh = Mesh::new(1);
    let engine = &mut mesh.world.engines[CALLER];
    let (heard, is_closed, told) = hears(engine, Side::Outbound, b"\x16\x03\x01");
    assert_eq!(
        (heard.as_str(), is_closed, &told[..]),
        ("", true, &[Foreign::Tls][..])
    );
    assert_eq!(engine.gauges().counters.foreign[0], [0, 1, 0, 0]);
}

#[test]
fn what_is_no_tls_at_the_port_for_sidecars_is_counted_and_let_go() {
    for (hello, index) in [(&b"PRI * HTTP/2.0\r\n"[..], 2), (b"\0\0\x0c\x04", 3)] {
        let mut mesh = Mesh::new(1);
        let engine = &mut mesh.world.engines[CALLER];
        let (heard, is_closed, told) = hears(engine, Side::Inbound, hello);
        assert_eq!((heard.as_str(), is_closed, told.len()), ("", true, 1));
        let counters = engine.gauges().counters;
        assert_eq!(counters.foreign[1][index], 1);
        assert_eq!(counters.handshake_failures[0], 1, "as any other");
    }
}
