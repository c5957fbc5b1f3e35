//! Near the memory limit: who is refused, who is ended, who is spared.

use outrider_engine::{Outcome, Reason, Side};
use outrider_http2::{ErrorCode, ResetCause};
use outrider_policy::{Code, Pressure};

use crate::world::Seen;
use crate::world::mesh::{CALLER, Mesh};

const GET: &str = "/shop.v1.Orders/Get";
const LIST: &str = "/shop.v1.Orders/List";
const LARGE: usize = 1 << 20;

/// How the recorded calls of the caller's sidecar ended.
fn ends(mesh: &Mesh) -> Vec<(Outcome, Code)> {
    let outbound = mesh.world.records.iter();
    let outbound = outbound.filter(|record| record.side == Side::Outbound);
    outbound
        .map(|record| (record.outcome, record.code))
        .collect()
}

#[test]
fn new_calls_are_refused_and_told_when_to_come_again() {
    for pressure in [Pressure::High, Pressure::Critical] {
        let mut mesh = Mesh::new(1);
        mesh.world.engines[CALLER].pressure(pressure);
        mesh.client().call("orders", GET, &[], true);
        mesh.world.settle();
        assert_eq!(mesh.client().status().as_deref(), Some("8"));
        let pushback = mesh.client().field("grpc-retry-pushback-ms");
        assert_eq!(pushback.as_deref(), Some("1000"));
        let refused = (
            Outcome::Refused(Reason::MemoryLimit),
            Code::ResourceExhausted,
        );
        assert_eq!(ends(&mesh), [refused]);
    }
}

#[test]
fn calls_that_were_taken_go_on_and_so_do_new_ones_afterwards() {
    let mut mesh = Mesh::new(1);
    mesh.client().call("orders", GET, &[], true);
    mesh.world.settle();
    mesh.world.engines[CALLER].pressure(Pressure::Critical);
    let server = mesh.servers()[0];
    let (first, _) = mesh.world.peers[server].heads()[0].clone();
    mesh.world.peers[server].answer(first, b"x", "0");
    mesh.world.settle();
    assert_eq!(mesh.client().status().as_deref(), Some("0"));

    mesh.world.engines[CALLER].pressure(Pressure::Low);
    mesh.client().call("orders", GET, &[], true);
    mesh.world.settle();
    assert_eq!(mesh.world.peers[server].heads().len(), 2, "it arrived");
}

#[test]
fn a_health_check_is_answered_under_any_pressure() {
    let mut mesh = Mesh::new(1);
    mesh.world.engines[CALLER].pressure(Pressure::Critical);
    let path = "/grpc.health.v1.Health/Check";
    mesh.client().call("orders", path, &[], true);
    mesh.world.settle();
    let server = mesh.servers()[0];
    assert_eq!(mesh.world.peers[server].heads().len(), 1, "it arrived");
}

#[test]
fn of_stalled_streams_the_one_that_holds_most_is_ended_first() {
    let mut mesh = Mesh::new(1);
    mesh.client().reads = false;
    let small = mesh.client().call("orders", LIST, &[], true);
    mesh.client().call("orders", LIST, &[], true);
    mesh.world.settle();
    let server = mesh.servers()[0];
    let heads = mesh.world.peers[server].heads();
    for ((stream, _), size) in heads.into_iter().zip([100_000, LARGE]) {
        mesh.world.peers[server].answer(stream, &vec![1; size], "0");
    }
    mesh.world.settle();
    let now = mesh.world.now;
    let held = mesh.world.engines[CALLER].held_bytes();
    mesh.world.engines[CALLER].relieve(now, held);
    mesh.world.engines[CALLER].relieve(now, held - 1);
    mesh.world.settle();
    let resets = |mesh: &mut Mesh| {
        let seen = mesh.client().seen.iter();
        let resets = seen.filter_map(|seen| match seen {
            Seen::Reset(stream, cause) => Some((*stream, cause.clone())),
            Seen::Head(..) | Seen::Data(..) | Seen::Trailers(..) | Seen::Goaway(_) => None,
        });
        resets.collect::<Vec<_>>()
    };
    assert_eq!(
        mesh.client().status().as_deref(),
        Some("8"),
        "ahead of the rest"
    );
    assert_eq!(mesh.client().http2.open_streams(), 1);
    mesh.world.engines[CALLER].relieve(now, 0);
    mesh.world.settle();
    // The call of the small one is over: only its octets waited.
    let calm = ResetCause::Peer(ErrorCode::EnhanceYourCalm);
    assert_eq!(resets(&mut mesh), [(small, calm)]);
    let counters = mesh.world.engines[CALLER].gauges().counters;
    assert_eq!(
        (counters.relief_streams, counters.relief_connections),
        (2, 0)
    );
}

#[test]
fn a_request_that_its_application_does_not_take_is_answered() {
    let mut mesh = Mesh::new(1);
    mesh.client().call("orders", GET, &[], false);
    mesh.world.settle();
    let server = mesh.servers()[0];
    mesh.world.peers[server].reads = false;
    let stream = mesh
        .client()
        .call("orders", "/shop.v1.Orders/Upload", &[], false);
    mesh.client().http2.data(stream, &[1; LARGE], true);
    mesh.world.settle();
    let now = mesh.world.now;
    mesh.world.engines[CALLER].relieve(now, 0);
    mesh.world.settle();
    assert_eq!(mesh.client().status().as_deref(), Some("8"));
    let refused = (
        Outcome::Refused(Reason::MemoryLimit),
        Code::ResourceExhausted,
    );
    assert_eq!(ends(&mesh), [refused]);
}
