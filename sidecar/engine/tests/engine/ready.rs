//! `waitForReady`: how long a call may wait while no endpoint can be reached.

use std::sync::Arc;
use std::time::Duration;

use outrider_engine::config::{Snapshot, Transport};
use outrider_engine::{Outcome, Reason, Side};
use outrider_identity::SpiffeId;
use outrider_policy::{
    CallPolicy, Code, PathMatch, Route, RouteMatch, RouteTable, VirtualHost, WeightedCluster,
};

use crate::world::mesh::{CALLER, GET, Mesh, ORDERS, address, snapshot};

const PLACE: &str = "/shop.v1.Orders/Place";
const PATIENCE: Duration = Duration::from_secs(2);

fn route(path: PathMatch, wait_for_ready: Option<Duration>) -> Route {
    Route {
        name: "orders".to_owned(),
        matches: RouteMatch {
            path,
            ..RouteMatch::default()
        },
        clusters: vec![WeightedCluster {
            cluster: "orders".to_owned(),
            weight: 1,
        }],
        policy: CallPolicy {
            wait_for_ready,
            ..CallPolicy::default()
        },
    }
}

/// `Place` waits 2 s for an endpoint, all else does not.
fn patient(endpoints: &[&str], transport: Transport) -> Snapshot {
    let endpoints: Vec<_> = endpoints.iter().map(|at| address(at)).collect();
    let routes = RouteTable::build(vec![VirtualHost {
        name: "orders".to_owned(),
        domains: vec!["orders".to_owned()],
        routes: vec![
            route(PathMatch::Exact(PLACE.to_owned()), Some(PATIENCE)),
            route(PathMatch::Any, None),
        ],
    }]);
    Snapshot {
        routes: routes.expect("a good table").into(),
        ..Snapshot::clone(&snapshot(&endpoints, transport))
    }
}

fn answer_all(mesh: &mut Mesh) -> usize {
    let mut answered = 0;
    for server in mesh.servers() {
        for (stream, _) in mesh.world.peers[server].heads() {
            mesh.world.peers[server].answer(stream, b"x", "0");
            answered += 1;
        }
    }
    mesh.world.settle();
    answered
}

#[test]
fn a_call_waits_until_an_endpoint_can_be_reached() {
    let at = "10.0.0.9:1";
    let mut mesh = Mesh::new(0);
    mesh.configure(patient(&[at], Transport::Plaintext));
    for _ in 0..100 {
        mesh.client().call("orders", PLACE, &[], true);
    }
    mesh.client().call("orders", GET, &[], true);
    mesh.world.advance(Duration::from_secs(1));
    let failed = (Outcome::Refused(Reason::UpstreamFailed), Code::Unavailable);
    assert_eq!(mesh.outcome(Side::Outbound), [failed], "who does not wait");
    assert_eq!(
        mesh.world.engines[CALLER].gauges().waiting,
        [0, 0, 0, 0, 100, 0]
    );
    mesh.world.serve(address(at));
    mesh.world.advance(Duration::from_millis(200));
    assert_eq!(answer_all(&mut mesh), 100);
    let fine = (Outcome::Answered, Code::Ok);
    assert_eq!(mesh.outcome(Side::Outbound)[1..], [fine; 100]);
    let last = mesh.world.records.last().expect("a record");
    assert!(
        last.waited > Duration::from_millis(900),
        "{:?}",
        last.waited
    );
    mesh.assert_quiet();
}

#[test]
fn a_call_waits_no_longer_than_its_policy_says() {
    let mut mesh = Mesh::new(0);
    mesh.configure(patient(&["10.0.0.9:1"], Transport::Plaintext));
    mesh.client().call("orders", PLACE, &[], true);
    mesh.world.advance(PATIENCE - Duration::from_millis(100));
    assert_eq!(mesh.outcome(Side::Outbound), []);
    mesh.world.advance(Duration::from_millis(300));
    let failed = (Outcome::Refused(Reason::UpstreamFailed), Code::Unavailable);
    assert_eq!(mesh.outcome(Side::Outbound), [failed]);
    let waited = mesh.world.records[0].waited;
    assert!(waited <= PATIENCE, "{waited:?}");
    mesh.assert_quiet();
}

#[test]
fn its_deadline_ends_its_wait() {
    let mut mesh = Mesh::new(0);
    mesh.configure(patient(&["10.0.0.9:1"], Transport::Plaintext));
    let limit = [("grpc-timeout", "500m")];
    mesh.client().call("orders", PLACE, &limit, true);
    mesh.world.advance(Duration::from_secs(1));
    let late = Outcome::Refused(Reason::DeadlineExceeded);
    assert_eq!(
        mesh.outcome(Side::Outbound),
        [(late, Code::DeadlineExceeded)]
    );
    mesh.assert_quiet();
}

#[test]
fn an_application_that_starts_again_behind_its_sidecar_is_waited_for() {
    let mut mesh = Mesh::new(1);
    let peer = SpiffeId::parse(ORDERS.as_bytes()).expect("an id");
    mesh.configure(patient(&["10.0.0.1:1000"], Transport::MutualTls { peer }));
    let app = address("127.0.0.1:2000");
    mesh.world.close(app);
    for _ in 0..10 {
        mesh.client().call("orders", PLACE, &[], true);
    }
    mesh.world.advance(Duration::from_secs(1));
    assert_eq!(mesh.outcome(Side::Outbound), []);
    mesh.world.serve(app);
    mesh.world.advance(Duration::from_millis(300));
    while answer_all(&mut mesh) < 10 {
        mesh.world.advance(Duration::from_millis(100));
    }
    let fine = (Outcome::Answered, Code::Ok);
    assert_eq!(mesh.outcome(Side::Outbound), [fine; 10]);
    mesh.assert_quiet();
}

#[test]
fn an_endpoint_that_is_new_in_the_configuration_is_tried_at_once() {
    let mut mesh = Mesh::new(0);
    mesh.configure(patient(&["10.0.0.9:1"], Transport::Plaintext));
    mesh.client().call("orders", PLACE, &[], true);
    mesh.world.advance(Duration::from_secs(1));
    let good = "10.0.0.9:2";
    mesh.world.serve(address(good));
    mesh.configure(patient(&[good], Transport::Plaintext));
    assert_eq!(answer_all(&mut mesh), 1);
    mesh.assert_quiet();
}

#[test]
fn what_no_longer_exists_is_not_waited_for() {
    let mut mesh = Mesh::new(0);
    mesh.configure(patient(&["10.0.0.9:1"], Transport::Plaintext));
    mesh.client().call("orders", PLACE, &[], true);
    mesh.world.advance(Duration::from_millis(500));
    let now = mesh.world.now;
    mesh.world.engines[CALLER].configure(now, Arc::default());
    mesh.world.settle();
    let none = (Outcome::Refused(Reason::NoEndpoint), Code::Unavailable);
    assert_eq!(mesh.outcome(Side::Outbound), [none]);
    mesh.assert_quiet();
}
