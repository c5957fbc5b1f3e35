//! How long connections live: beginnings, age, idleness, and what is held and not taken.
//!
//! Time is virtual: an hour costs what happens in it. Silence: `keepalive.rs`. Who is
//! believed for how long: `trust.rs`.

use std::sync::Arc;
use std::time::Duration;

use outrider_engine::config::{Settings, Snapshot};
use outrider_engine::{Action, EndCause, Engine, Outcome, Reason, Side};
use outrider_policy::{Code, Lifetimes, ListenerPolicy, Tick};

use crate::world::Seen;
use crate::world::mesh::{CALLER, GET, Mesh, address};

pub const WATCH: &str = "/shop.v1.Orders/Watch";
pub const SERVER: usize = 1;
pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3_600);

/// Connections that `engine` ended for `cause`: downstream, upstream.
pub fn ended(engine: &Engine, cause: EndCause) -> [u64; 2] {
    engine
        .gauges()
        .counters
        .ended
        .map(|by_cause| by_cause[cause as usize])
}

/// A call that is under way; the application that has it.
pub fn watching(mesh: &mut Mesh) -> usize {
    mesh.client().call("orders", WATCH, &[], true);
    mesh.world.settle();
    mesh.servers()[0]
}

pub fn answer(mesh: &mut Mesh, server: usize) {
    let (stream, _) = mesh.world.peers[server].heads().pop().expect("a call");
    mesh.world.peers[server].answer(stream, b"done", "0");
    mesh.world.settle();
}

#[test]
fn a_connection_between_sidecars_is_replaced_at_its_age_and_calls_finish() {
    let mut mesh = Mesh::new(1);
    let server = watching(&mut mesh);
    mesh.world.advance(34 * MINUTE);
    let aged = [CALLER, SERVER].map(|it| ended(&mesh.world.engines[it], EndCause::Age));
    assert_ne!(aged, [[0, 0], [0, 0]], "one end was first");
    mesh.client().call("orders", GET, &[], true);
    mesh.world.settle();
    assert_eq!(
        mesh.world.engines[CALLER].gauges().upstream,
        2,
        "old and new"
    );
    let streams = mesh.world.peers[server].heads();
    for (stream, _) in streams {
        mesh.world.peers[server].answer(stream, b"done", "0");
    }
    mesh.world.settle();
    let ends = |seen: &&Seen| matches!(seen, Seen::Trailers(..));
    assert_eq!(mesh.client().seen.iter().filter(ends).count(), 2);
    assert_eq!(
        mesh.world.engines[CALLER].gauges().upstream,
        1,
        "the old one is gone"
    );
}

#[test]
fn a_connection_without_streams_is_closed_after_an_hour_whatever_its_peer_pings() {
    let mut mesh = Mesh::new(1);
    let client = mesh.client;
    let minutes = |mesh: &mut Mesh, count: u32| {
        for _ in 0..count {
            if mesh.world.is_connected(client) {
                mesh.client().http2.ping(*b"are you?");
            }
            mesh.world.advance(MINUTE);
        }
    };
    minutes(&mut mesh, 59);
    assert!(mesh.world.is_connected(client));
    minutes(&mut mesh, 3);
    assert!(!mesh.world.is_connected(client));
    assert_eq!(ended(&mesh.world.engines[CALLER], EndCause::Idle), [1, 0]);
    assert_eq!(mesh.world.engines[CALLER].gauges().timers, 0);
}

#[test]
fn callers_and_the_application_live_by_the_inbound_listener() {
    let short = ListenerPolicy {
        lifetimes: Lifetimes {
            idle: Some(SECOND),
            ..Lifetimes::default()
        },
        ..ListenerPolicy::default()
    };
    let usual = ListenerPolicy::default();
    let cases = [
        (&short, &usual, [1, 1]),
        (&usual, &short, [0, 0]),
        (&usual, &usual, [0, 0]),
    ];
    for (inbound, outbound, expected) in cases {
        let mut mesh = Mesh::new(1);
        let server = watching(&mut mesh);
        answer(&mut mesh, server);
        let snapshot = Snapshot {
            inbound: inbound.clone(),
            outbound: outbound.clone(),
            ..Snapshot::default()
        };
        let now = mesh.world.now;
        mesh.world.engines[SERVER].configure(now, Arc::new(snapshot));
        mesh.world.advance(MINUTE);
        let ended = ended(&mesh.world.engines[SERVER], EndCause::Idle);
        assert_eq!(ended, expected, "{inbound:?} {outbound:?}");
    }
}

#[test]
fn a_connection_at_rest_has_at_most_one_timer() {
    let mut mesh = Mesh::new(1);
    for _ in 0..100 {
        mesh.client().call("orders", GET, &[], true);
        mesh.world.settle();
        let server = mesh.servers()[0];
        answer(&mut mesh, server);
    }
    mesh.world.advance(2 * MINUTE);
    for engine in &mesh.world.engines {
        let gauges = engine.gauges();
        let connections = gauges.downstream[0] + gauges.downstream[1] + gauges.upstream;
        assert!(gauges.timers <= connections, "{gauges:?}");
    }
}

#[test]
fn an_answer_that_its_caller_does_not_take_is_held_for_five_minutes() {
    let mut mesh = Mesh::new(1);
    mesh.client().reads = false;
    let server = watching(&mut mesh);
    let (stream, _) = mesh.world.peers[server].heads()[0].clone();
    mesh.world.peers[server].answer(stream, &[1; 400_000], "0");
    mesh.world.advance(4 * MINUTE + 50 * SECOND);
    assert_eq!(mesh.world.engines[CALLER].gauges().calls, 1);
    mesh.world.advance(MINUTE);
    assert_eq!(
        mesh.outcome(Side::Outbound),
        [(Outcome::Refused(Reason::Stalled), Code::ResourceExhausted)]
    );
    assert_eq!(
        mesh.client().status().as_deref(),
        Some("8"),
        "ahead of the data"
    );
    assert_eq!(
        mesh.world.engines[CALLER].gauges().counters.streams_stalled,
        [1, 0]
    );
    mesh.assert_quiet();
    // The connection serves on.
    mesh.client().call("orders", GET, &[], true);
    mesh.world.settle();
    answer(&mut mesh, server);
    assert_eq!(mesh.client().status().as_deref(), Some("0"));
}

#[test]
fn a_request_that_the_application_does_not_take_gets_a_status() {
    let mut mesh = Mesh::new(1);
    let stream = mesh.client().call("orders", WATCH, &[], false);
    mesh.world.settle();
    let server = mesh.servers()[0];
    mesh.world.peers[server].reads = false;
    mesh.client().http2.data(stream, &[1; 400_000], true);
    mesh.world.advance(6 * MINUTE);
    assert_eq!(mesh.client().status().as_deref(), Some("8"));
    let said = mesh.client().field("grpc-message").unwrap_or_default();
    assert!(said.contains("[STALLED]"), "{said}");
    mesh.assert_quiet();
}

#[test]
fn a_stream_that_is_only_quiet_is_never_called_stalled() {
    let mut mesh = Mesh::new(1);
    let server = watching(&mut mesh);
    mesh.client().reads = false;
    let (stream, _) = mesh.world.peers[server].heads()[0].clone();
    mesh.world.peers[server].answer(stream, &[1; 1_000], "0");
    mesh.world.advance(HOUR);
    assert_eq!(mesh.client().status().as_deref(), Some("0"));
    let stalled = mesh
        .world
        .engines
        .iter()
        .map(|it| it.gauges().counters.streams_stalled);
    assert!(stalled.flatten().all(|count| count == 0));
}

#[test]
fn a_reader_that_takes_a_little_now_and_then_is_not_stalled() {
    let mut mesh = Mesh::new(1);
    mesh.client().reads = false;
    let server = watching(&mut mesh);
    let (at, _) = mesh.world.peers[server].heads()[0].clone();
    mesh.world.peers[server].answer(at, &[1; 400_000], "0");
    mesh.world.settle();
    let (stream, _) = mesh.client().heads()[0].clone();
    for _ in 0..30 {
        mesh.world.advance(4 * MINUTE);
        mesh.client().http2.credit(stream, 40_000);
    }
    mesh.world.settle();
    assert_eq!(mesh.client().status().as_deref(), Some("0"));
}

/// The outbound listener's end of a connection whose peer writes what it likes.
fn raw() -> (Engine, outrider_engine::ConnectionId) {
    let mut engine = Engine::new(Settings::new("frontend"), 1);
    let id = engine.accepted(Tick::ZERO, Side::Outbound, address("127.0.0.1:9"));
    let greeting = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    engine.received(Tick::ZERO, id, greeting);
    turn(&mut engine);
    (engine, id)
}

/// Does what the engine asks, as if every write went out; was a connection closed?
fn turn(engine: &mut Engine) -> bool {
    let mut closed = false;
    while let Some(action) = engine.next_action() {
        match action {
            Action::Write(id) => {
                let length = engine.output(id).len();
                engine.written(Tick::ZERO, id, length);
            }
            Action::Close(_) => closed = true,
            Action::Foreign { .. } => {}
            Action::Contained(what) => panic!("{what:?}"),
            Action::Connect { .. } | Action::Read { .. } | Action::Want(_) | Action::Record(_) => {}
        }
    }
    closed
}

fn after(seconds: u64) -> Tick {
    Tick::ZERO + Duration::from_secs(seconds)
}

#[test]
fn a_header_block_that_never_ends_is_given_five_seconds() {
    // HEADERS without END_HEADERS; and HEADERS of which one octet of a hundred comes.
    let cases: [(&str, &[u8]); 2] = [
        ("no end", b"\0\0\x01\x01\0\0\0\0\x01\x82"),
        ("cut short", b"\0\0\x64\x01\x04\0\0\0\x01\x82"),
    ];
    for (name, octets) in cases {
        let (mut engine, id) = raw();
        engine.received(after(1), id, octets);
        turn(&mut engine);
        engine.tick(after(6));
        assert!(turn(&mut engine), "{name}");
        assert_eq!(ended(&engine, EndCause::HeaderBlock), [1, 0], "{name}");
        assert_eq!(engine.gauges().timers, 0, "{name}");
    }
}

#[test]
fn blocks_that_end_do_not_add_up() {
    let (mut engine, id) = raw();
    // Each second the end of one block, which is refused, and the beginning of the next.
    for second in 1..=20_u64 {
        let stream = (2 * second - 1) as u8;
        let mut octets = Vec::new();
        if second > 1 {
            octets.extend_from_slice(&[0, 0, 1, 9, 4, 0, 0, 0, stream - 2, 0x84]);
        }
        octets.extend_from_slice(&[0, 0, 1, 1, 0, 0, 0, 0, stream, 0x82]);
        engine.received(after(second), id, &octets);
        engine.tick(after(second));
        assert!(!turn(&mut engine), "second {second}");
    }
}

#[test]
fn a_peer_that_says_nothing_or_half_a_preface_is_given_five_seconds() {
    for octets in [&b""[..], b"PRI * HT", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut engine = Engine::new(Settings::new("frontend"), 1);
        let id = engine.accepted(Tick::ZERO, Side::Outbound, address("127.0.0.1:9"));
        engine.received(after(1), id, octets);
        engine.tick(after(4));
        assert!(!turn(&mut engine));
        engine.tick(after(5));
        assert!(turn(&mut engine));
        assert_eq!(ended(&engine, EndCause::Handshake), [1, 0]);
    }
}

#[test]
fn octets_that_have_only_just_come_up_are_not_stalled() {
    let (mut engine, id) = raw();
    engine.tick(after(1_000));
    // WINDOW_UPDATE, behind which the connection is looked at, 37.5 s later; then a PING.
    engine.received(after(1_000), id, b"\0\0\x04\x08\0\0\0\0\0\0\0\0\x01");
    turn(&mut engine);
    let look = engine.wake_at().expect("a look");
    engine.received(look, id, b"\0\0\x08\x06\0\0\0\0\0are you?");
    engine.tick(look);
    assert!(!turn(&mut engine));
    assert_eq!(ended(&engine, EndCause::Stalled), [0, 0]);
}
