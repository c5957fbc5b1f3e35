//! For how long a peer is believed: never past its certificate, never without its root.

use std::sync::Arc;
use std::time::Duration;

use outrider_engine::{EndCause, TlsMaterial};
use rcgen::{CertificateParams, date_time_ymd};

use crate::world::mesh::{CALLER, FRONTEND, GET, Mesh, ORDERS};
use crate::world::{Authority, WallClock};

const SERVER: usize = 1;
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const WATCH: &str = "/shop.v1.Orders/Watch";

/// 2027-01-15, midnight.
const NOW: u64 = 1_799_971_200;

fn lasting(span: Duration) -> impl FnOnce(&mut CertificateParams) {
    move |leaf| leaf.not_after = date_time_ymd(2027, 1, 15) + span
}

/// A mesh whose callee's certificate lasts long, and whose caller's this long; and its wall clock.
fn mesh(authority: &Authority, span: Duration) -> (Mesh, WallClock) {
    let clock = WallClock::at(NOW);
    let own = issue(authority, &clock, &[authority], FRONTEND, span);
    let callee = issue(authority, &clock, &[authority], ORDERS, HOUR);
    let mut mesh = Mesh::of(1, authority, own);
    mesh.world.engines[SERVER].identity(mesh.world.now, callee);
    (mesh, clock)
}

fn issue(
    authority: &Authority,
    clock: &WallClock,
    believed: &[&Authority],
    uri: &str,
    span: Duration,
) -> Arc<TlsMaterial> {
    let clock = Arc::new(clock.clone());
    let material = authority.issue_on(clock, believed, &[uri], lasting(span));
    material.expect("material")
}

/// Both clocks go on, second by second.
fn advance(mesh: &mut Mesh, clock: &WallClock, seconds: u64) {
    for _ in 0..seconds {
        clock.advance(1);
        mesh.world.advance(SECOND);
    }
}

fn ended(mesh: &Mesh, engine: usize, cause: EndCause) -> [u64; 2] {
    let counters = mesh.world.engines[engine].gauges().counters;
    counters.ended.map(|by_cause| by_cause[cause as usize])
}

fn call(mesh: &mut Mesh, path: &str) {
    mesh.client().call("orders", path, &[], true);
    mesh.world.settle();
}

#[test]
fn a_connection_ends_within_five_seconds_of_its_peers_certificate() {
    let authority = Authority::new();
    let (mut mesh, clock) = mesh(&authority, 60 * SECOND);
    call(&mut mesh, WATCH);
    advance(&mut mesh, &clock, 59);
    assert_eq!(mesh.client().status(), None, "still good");
    advance(&mut mesh, &clock, 5);
    assert_eq!(mesh.client().status().as_deref(), Some("14"));
    assert_eq!(ended(&mesh, SERVER, EndCause::Distrusted), [1, 0]);
    assert_eq!(mesh.world.engines[SERVER].gauges().downstream[1], 0);
    mesh.assert_quiet();
}

#[test]
fn a_connection_is_replaced_before_a_certificate_of_either_end_expires() {
    let authority = Authority::new();
    let (mut mesh, clock) = mesh(&authority, 60 * SECOND);
    call(&mut mesh, GET);
    let server = mesh.servers()[0];
    let (stream, _) = mesh.world.peers[server].heads()[0].clone();
    mesh.world.peers[server].answer(stream, b"done", "0");
    advance(&mut mesh, &clock, 30);
    let renewed = issue(&authority, &clock, &[&authority], FRONTEND, HOUR);
    mesh.world.engines[CALLER].identity(mesh.world.now, renewed);
    advance(&mut mesh, &clock, 26);
    let replaced = [CALLER, SERVER].map(|it| ended(&mesh, it, EndCause::Certificate));
    assert_ne!(replaced, [[0, 0], [0, 0]], "one end was first");
    assert_eq!(mesh.world.engines[CALLER].gauges().upstream, 0);
    call(&mut mesh, WATCH);
    advance(&mut mesh, &clock, 60);
    assert_eq!(
        mesh.client().status().as_deref(),
        Some("0"),
        "of the first call"
    );
    assert_eq!(ended(&mesh, SERVER, EndCause::Distrusted), [0, 0]);
}

#[test]
fn a_peer_whose_root_is_withdrawn_has_a_moment_to_finish() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let clock = WallClock::at(NOW);
    let own = issue(&ours, &clock, &[&ours], FRONTEND, HOUR);
    let mut mesh = Mesh::of(1, &ours, own);
    call(&mut mesh, GET);
    call(&mut mesh, WATCH);
    // The callee keeps its certificate and believes another root from now on.
    let now = mesh.world.now;
    let shrunk = issue(&ours, &clock, &[&theirs], ORDERS, HOUR);
    mesh.world.engines[SERVER].identity(now, shrunk);
    mesh.world.settle();
    let server = mesh.servers()[0];
    let (stream, _) = mesh.world.peers[server].heads()[0].clone();
    mesh.world.peers[server].answer(stream, b"done", "0");
    advance(&mut mesh, &clock, 2);
    assert_eq!(mesh.client().status().as_deref(), Some("0"), "it finished");
    advance(&mut mesh, &clock, 3);
    assert_eq!(mesh.world.engines[SERVER].gauges().downstream[1], 0);
    assert_eq!(ended(&mesh, SERVER, EndCause::Distrusted), [1, 0]);
    assert_eq!(
        mesh.client().status().as_deref(),
        Some("14"),
        "the other did not"
    );
}

#[test]
fn a_bundle_that_only_grows_ends_nothing() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (mut mesh, clock) = mesh(&ours, HOUR);
    call(&mut mesh, WATCH);
    let now = mesh.world.now;
    let grown = issue(&ours, &clock, &[&ours, &theirs], ORDERS, HOUR);
    mesh.world.engines[SERVER].identity(now, grown);
    advance(&mut mesh, &clock, 10);
    assert_eq!(mesh.client().status(), None);
    assert_eq!(ended(&mesh, SERVER, EndCause::Certificate), [0, 0]);
}

/// What becomes of a handshake under way at both ends when `judge` gets a bundle of these roots:
/// handshakes that ended well there, either side; and did the application hear of the call?
fn handshake_under_way(
    judge: usize,
    uri: &str,
    ours: &Authority,
    roots: &[&Authority],
) -> (u64, bool) {
    let (mut mesh, clock) = mesh(ours, HOUR);
    mesh.world.freeze(SERVER);
    call(&mut mesh, GET);
    let now = mesh.world.now;
    let material = issue(ours, &clock, roots, uri, HOUR);
    mesh.world.engines[judge].identity(now, material);
    mesh.world.thaw();
    let counters = mesh.world.engines[judge].gauges().counters;
    (
        counters.mtls_handshakes.iter().sum(),
        !mesh.servers().is_empty(),
    )
}

#[test]
fn a_handshake_under_way_is_judged_by_the_bundle_that_is_there_at_its_end() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    for (judge, uri) in [(CALLER, FRONTEND), (SERVER, ORDERS)] {
        let shrunk = handshake_under_way(judge, uri, &ours, &[&theirs]);
        assert_eq!(shrunk, (0, false), "{uri}");
        let grown = handshake_under_way(judge, uri, &ours, &[&ours, &theirs]);
        assert_eq!(grown, (1, true), "{uri}");
    }
}
