//! Waiting for services that nobody has told of yet.

use std::net::SocketAddr;
use std::time::Duration;

use outrider_engine::config::{Discovery, Snapshot, Transport};
use outrider_engine::{Gauges, Outcome, Reason, Side};
use outrider_http2::{ErrorCode, StreamId};
use outrider_identity::SpiffeId;
use outrider_policy::{Code, Limits, RouteTable};

use crate::world::mesh::{CALLER, GET, Mesh, ORDERS, address, snapshot};

pub const PLACE: &str = "/shop.v1.Orders/Place";

/// Where the only instance of orders is reachable.
pub const INSTANCE: &str = "10.0.0.1:1000";

/// Orders with these endpoints, everything else on demand.
pub fn orders(endpoints: &[SocketAddr]) -> Snapshot {
    let peer = SpiffeId::parse(ORDERS.as_bytes()).expect("an id");
    Snapshot {
        discovery: on_demand(&[]),
        ..Snapshot::clone(&snapshot(endpoints, Transport::MutualTls { peer }))
    }
}

fn on_demand(absent: &[&str]) -> Discovery {
    Discovery::OnDemand {
        absent: absent.iter().map(|name| (*name).to_owned()).collect(),
    }
}

/// No service is known; these there are not.
pub fn nothing(absent: &[&str]) -> Snapshot {
    Snapshot {
        discovery: on_demand(absent),
        ..Snapshot::default()
    }
}

/// A mesh with one instance of orders, of which the caller's sidecar knows nothing.
pub fn ignorant() -> Mesh {
    let mut mesh = Mesh::new(1);
    mesh.configure(nothing(&[]));
    mesh
}

pub fn gauges(mesh: &Mesh) -> Gauges {
    mesh.world.engines[CALLER].gauges()
}

/// Answers all calls that reached an application.
pub fn answer_all(mesh: &mut Mesh) -> usize {
    let mut answered = 0;
    for server in mesh.servers() {
        for (at, _) in mesh.world.peers[server].heads() {
            mesh.world.peers[server].answer(at, b"found", "0");
            answered += 1;
        }
    }
    mesh.world.settle();
    answered
}

#[test]
fn calls_wait_for_their_service_which_is_asked_for_once() {
    let mut mesh = ignorant();
    let limit = [("grpc-timeout", "2S")];
    for (authority, wanted) in [
        ("orders", vec!["orders"]),
        ("Orders.mesh:80", vec!["orders"]),
        ("localhost:15001", vec!["orders", "grpc/shop.v1.Orders"]),
    ] {
        mesh.client().call(authority, PLACE, &limit, true);
        mesh.world.settle();
        assert_eq!(mesh.world.wanted, wanted);
    }
    assert_eq!(gauges(&mesh).waiting, [3, 0, 0, 0, 0, 0]);

    mesh.world.advance(Duration::from_secs(1));
    mesh.configure(orders(&[address(INSTANCE)]));
    let server = mesh.servers()[0];
    for (_, head) in mesh.world.peers[server].heads() {
        assert_eq!(head.find(b"grpc-timeout"), Some(&b"1000000u"[..]));
    }
    assert_eq!(answer_all(&mut mesh), 3);
    assert_eq!(
        mesh.outcome(Side::Outbound),
        [(Outcome::Answered, Code::Ok); 3]
    );
    assert_eq!(gauges(&mesh).counters.waits_answered[0], 3);
    mesh.assert_quiet();
}

#[test]
fn a_service_that_went_away_is_asked_for_anew() {
    let mut mesh = ignorant();
    for times in 1..=2 {
        mesh.client().call("orders", PLACE, &[], true);
        mesh.world.settle();
        assert_eq!(mesh.world.wanted.len(), times);
        mesh.configure(orders(&[address(INSTANCE)]));
        mesh.configure(nothing(&[]));
    }
}

#[test]
fn what_no_service_is_called_is_refused_as_soon_as_that_is_known() {
    let mut mesh = ignorant();
    mesh.client().call("nowhere", GET, &[], true);
    mesh.client().call("localhost", "/no.Body/Get", &[], true);
    mesh.world.settle();
    assert!(mesh.outcome(Side::Outbound).is_empty());
    mesh.configure(nothing(&["nowhere", "grpc/no.Body"]));
    mesh.client().call("nowhere:1", GET, &[], true);
    mesh.world.settle();
    let refused = (Outcome::Refused(Reason::NoRoute), Code::Unimplemented);
    assert_eq!(mesh.outcome(Side::Outbound), [refused; 3]);
    assert_eq!(mesh.world.wanted, ["nowhere", "grpc/no.Body"]);
    mesh.assert_quiet();
}

#[test]
fn what_can_be_no_service_is_refused_and_never_asked_for() {
    let mut mesh = ignorant();
    let long = "a".repeat(64);
    let cases = [
        ("10.0.0.1:80", GET),
        ("orders.example.com", GET),
        ("or_ders", GET),
        (&long, GET),
        ("localhost", "/grpc.health.v1.Health/Check"),
    ];
    for (authority, path) in cases {
        mesh.client().call(authority, path, &[], true);
        mesh.world.settle();
        assert_eq!(mesh.client().status().as_deref(), Some("12"), "{authority}");
        mesh.client().seen.clear();
    }
    mesh.client()
        .call("orders", GET, &[("grpc-timeout", "1x")], true);
    mesh.world.settle();
    assert_eq!(mesh.client().status().as_deref(), Some("3"));
    assert!(mesh.world.wanted.is_empty());
    mesh.assert_quiet();
}

/// How a call for an unknown service ends, and what its caller reads.
fn end_of_wait(end: impl FnOnce(&mut Mesh, StreamId)) -> (Outcome, Option<String>) {
    let mut mesh = ignorant();
    let stream = mesh.client().call("orders", PLACE, &[], false);
    mesh.client().http2.data(stream, &[1; 1_000], false);
    mesh.world.settle();
    end(&mut mesh, stream);
    mesh.world.settle();
    mesh.assert_quiet();
    assert_eq!(gauges(&mesh).counters.waits_given_up[0], 1);
    let [record] = &mesh.world.records[..] else {
        panic!("one call, {} records", mesh.world.records.len());
    };
    assert_eq!(record.attempts, 0);
    (record.outcome, mesh.client().field("grpc-message"))
}

#[test]
fn a_wait_ends_with_its_call() {
    let (outcome, said) = end_of_wait(|mesh, _| {
        mesh.world.advance(Duration::from_millis(14_999));
        assert!(mesh.world.records.is_empty());
        mesh.world.advance(Duration::from_millis(1));
    });
    assert_eq!(outcome, Outcome::Refused(Reason::NotDiscovered));
    let sentence = "15s passed while nobody said whether there is a service \"orders\"";
    let expected = format!("frontend/outbound: {sentence} [NOT_DISCOVERED]");
    assert_eq!(said, Some(expected));

    let (outcome, _) = end_of_wait(|mesh, _| {
        let now = mesh.world.now;
        mesh.world.engines[CALLER].drain(now, now + Duration::from_secs(3));
        mesh.world.advance(Duration::from_secs(3));
    });
    assert_eq!(outcome, Outcome::Refused(Reason::Draining));

    let (outcome, _) = end_of_wait(|mesh, _| {
        let client = mesh.client;
        mesh.world.cut(client);
    });
    assert_eq!(outcome, Outcome::Cancelled);

    let (outcome, _) = end_of_wait(|mesh, stream| {
        mesh.client().http2.reset(stream, ErrorCode::Cancel);
    });
    assert_eq!(outcome, Outcome::Cancelled);
}

#[test]
fn a_deadline_ends_a_wait_and_says_what_for() {
    for (endpoints_only, doing) in [
        (false, "nobody said whether there is a service \"orders\""),
        (true, "orders had no endpoint"),
    ] {
        let mut mesh = ignorant();
        if endpoints_only {
            mesh.configure(orders(&[]));
        }
        let limit = [("grpc-timeout", "200m")];
        mesh.client().call("orders", PLACE, &limit, true);
        mesh.world.advance(Duration::from_millis(200));
        assert_eq!(
            mesh.client().field("grpc-message"),
            Some(format!(
                "frontend/outbound: the deadline of 200ms passed while {doing} [DEADLINE_EXCEEDED]"
            ))
        );
        mesh.assert_quiet();
    }
}

#[test]
fn a_call_that_waited_is_under_the_policy_that_came() {
    let mut mesh = ignorant();
    mesh.client().call("orders", PLACE, &[], true);
    mesh.world.advance(Duration::from_secs(6));
    let mut known = orders(&[address(INSTANCE)]);
    known.routes = limited(&known.routes, Duration::from_secs(5)).into();
    mesh.configure(known);
    let late = Outcome::Refused(Reason::DeadlineExceeded);
    assert_eq!(
        mesh.outcome(Side::Outbound),
        [(late, Code::DeadlineExceeded)]
    );
    assert!(mesh.servers().is_empty(), "it was too late to begin");
    let record = &mesh.world.records[0];
    assert_eq!(record.deadline, Some(record.ended), "it overran nothing");
    mesh.assert_quiet();
}

/// The same routes, each with this timeout.
fn limited(routes: &RouteTable, timeout: Duration) -> RouteTable {
    let mut host = outrider_policy::VirtualHost {
        name: "orders".to_owned(),
        domains: vec!["orders".to_owned()],
        routes: routes.routes().to_vec(),
    };
    for route in &mut host.routes {
        route.policy.timeout = Some(timeout);
    }
    RouteTable::build(vec![host]).expect("a good table")
}

#[test]
fn callers_that_make_names_up_are_bounded() {
    const MOST: usize = 1_024;
    let mut mesh = ignorant();
    let streams: Vec<_> = (0..MOST)
        .map(|n| mesh.client().call(&format!("name-{n}"), GET, &[], true))
        .collect();
    mesh.world.settle();
    assert_eq!(mesh.world.wanted.len(), MOST);
    let other = mesh.world.connect(CALLER);
    let status = |mesh: &mut Mesh, authority: &str| {
        mesh.world.peers[other].seen.clear();
        mesh.world.peers[other].call(authority, GET, &[], true);
        mesh.world.settle();
        mesh.world.peers[other].status()
    };
    assert_eq!(status(&mut mesh, "name-0"), None, "it waits");

    for stream in streams {
        mesh.client().http2.reset(stream, ErrorCode::Cancel);
    }
    mesh.world.settle();
    assert_eq!(status(&mut mesh, "one-more").as_deref(), Some("8"));
    assert_eq!(status(&mut mesh, "name-0"), None, "it waits");
    assert_eq!(mesh.world.wanted.len(), MOST);
}

#[test]
fn as_many_calls_wait_for_a_name_as_wait_for_a_service() {
    let most = Limits::default().waiting as usize;
    let mut mesh = ignorant();
    let both = [mesh.client, mesh.world.connect(CALLER)];
    for n in 0..=most {
        mesh.world.peers[both[n % 2]].call("nowhere", GET, &[], true);
    }
    mesh.world.settle();
    let refused = (
        Outcome::Refused(Reason::DiscoveryCallsLimit),
        Code::ResourceExhausted,
    );
    assert_eq!(mesh.outcome(Side::Outbound), [refused]);
    mesh.client().call("orders", PLACE, &[], true);
    mesh.world.settle();
    assert_eq!(gauges(&mesh).waiting, [most + 1, 0, 0, 0, 0, 0]);
    mesh.configure(nothing(&["nowhere"]));
    assert_eq!(gauges(&mesh).waiting, [1, 0, 0, 0, 0, 0]);
}
