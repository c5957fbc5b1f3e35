//! More TLS handshakes than may be under way at once: which of them give way.

use std::time::Duration;

use outrider_engine::config::Settings;
use outrider_engine::{Action, ConnectionId, EndCause, Engine, Side, TlsMaterial};
use outrider_identity::SpiffeId;
use outrider_policy::Tick;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use crate::world::Authority;
use crate::world::mesh::{FRONTEND, ORDERS, address};

/// A sidecar that lets two handshakes be under way.
fn engine(own: std::sync::Arc<TlsMaterial>) -> Engine {
    let settings = Settings {
        handshakes_max: 2,
        ..Settings::new("orders")
    };
    let mut engine = Engine::new(settings, 1);
    engine.identity(Tick::ZERO, own);
    engine
}

fn accept(engine: &mut Engine) -> ConnectionId {
    let id = engine.accepted(Tick::ZERO, Side::Inbound, address("10.0.0.9:9"));
    turn(engine);
    id
}

/// Does what the engine asks, as if every write went out; what was written.
fn turn(engine: &mut Engine) -> Vec<u8> {
    let mut written = Vec::new();
    while let Some(action) = engine.next_action() {
        if let Action::Write(id) = action {
            let output = engine.output(id).to_vec();
            engine.written(Tick::ZERO, id, output.len());
            written.extend(output);
        }
    }
    written
}

fn ended(engine: &Engine, cause: EndCause) -> [u64; 2] {
    let counters = engine.gauges().counters;
    counters.ended.map(|by_cause| by_cause[cause as usize])
}

/// Another sidecar's end of mutual TLS.
fn client(authority: &Authority) -> ClientConnection {
    let own = authority.issue(&[FRONTEND]).expect("material");
    let orders = SpiffeId::parse(ORDERS.as_bytes()).expect("an id");
    let config = own.client(&orders).expect("a client");
    let name = ServerName::try_from("outrider.invalid").expect("a name");
    ClientConnection::new(config, name).expect("a connection")
}

/// The client says what it has to say, and hears the answer.
fn converse(client: &mut ClientConnection, engine: &mut Engine, id: ConnectionId) {
    let mut said = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut said).expect("a vector takes all");
    }
    engine.received(Tick::ZERO, id, &said);
    let mut heard = &turn(engine)[..];
    while !heard.is_empty() {
        client.read_tls(&mut heard).expect("a slice has all");
        client.process_new_packets().expect("good TLS");
    }
}

#[test]
fn one_silent_handshake_too_many_ends_the_oldest() {
    let mut engine = engine(Authority::new().issue(&[ORDERS]).expect("material"));
    for expected in [0, 0, 1, 2] {
        accept(&mut engine);
        assert_eq!(ended(&engine, EndCause::HandshakeEvicted), [expected, 0]);
    }
    assert_eq!(engine.gauges().downstream[1], 2);
    engine.tick(Tick::ZERO + Duration::from_secs(5));
    turn(&mut engine);
    assert_eq!(ended(&engine, EndCause::Handshake), [2, 0]);
    assert_eq!(engine.gauges().timers, 0);
}

#[test]
fn silent_connections_push_out_nobody_who_speaks() {
    let authority = Authority::new();
    let mut engine = engine(authority.issue(&[ORDERS]).expect("material"));
    let mut honest = client(&authority);
    let id = accept(&mut engine);
    converse(&mut honest, &mut engine, id);
    for _ in 0..1_000 {
        accept(&mut engine);
    }
    assert_eq!(ended(&engine, EndCause::HandshakeEvicted), [999, 0]);
    converse(&mut honest, &mut engine, id);
    assert_eq!(engine.gauges().counters.mtls_handshakes, [1, 0]);
    accept(&mut engine);
    assert_eq!(
        ended(&engine, EndCause::HandshakeEvicted),
        [999, 0],
        "it left room"
    );
}
