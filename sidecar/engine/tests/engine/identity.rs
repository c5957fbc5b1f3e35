//! Who may be at the other end: only what the certificate proves, octet by octet.

use std::sync::Arc;
use std::time::Duration;

use crate::world::Authority;
use crate::world::mesh::{CALLER, FRONTEND, GET, Mesh, ORDERS, address, snapshot};
use outrider_engine::config::{Settings, Transport};
use outrider_engine::{Engine, MaterialError, Side, TlsMaterial};
use outrider_identity::SpiffeId;
use outrider_policy::Tick;
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, date_time_ymd};

/// A caller that proves itself with `own` calls orders; did an application see the call?
fn is_served(authority: &Authority, own: Arc<TlsMaterial>) -> bool {
    let mut mesh = Mesh::of(1, authority, own);
    mesh.client().call("orders", GET, &[], true);
    mesh.world.advance(Duration::from_secs(3));
    let served = !mesh.servers().is_empty();
    let failures = mesh.world.engines[1].gauges().counters.handshake_failures[0];
    assert_eq!(failures > 0, !served, "a refused handshake is counted");
    served
}

#[test]
fn a_caller_without_a_good_certificate_gets_nowhere() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let good =
        |own: Result<Arc<TlsMaterial>, MaterialError>| own.expect("the caller believes in it");
    let cases = [
        ("a good one", true, good(ours.issue(&[FRONTEND]))),
        (
            "expired",
            false,
            good(ours.issue_with(&[FRONTEND], |leaf| {
                leaf.not_after = date_time_ymd(2020, 1, 1)
            })),
        ),
        (
            "not yet valid",
            false,
            good(ours.issue_with(&[FRONTEND], |leaf| {
                leaf.not_before = date_time_ymd(2999, 1, 1)
            })),
        ),
        (
            "another trust domain",
            false,
            good(ours.issue(&["spiffe://other.local/ns/default/svc/frontend"])),
        ),
        (
            "for servers only",
            false,
            good(ours.issue_with(&[FRONTEND], |leaf| {
                leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            })),
        ),
        (
            "an authority as a leaf",
            false,
            good(ours.issue_with(&[FRONTEND], |leaf| {
                leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            })),
        ),
        (
            "another authority's",
            false,
            good(theirs.issue(&[FRONTEND])),
        ),
    ];
    for (name, expected, own) in cases {
        assert_eq!(is_served(&ours, own), expected, "{name}");
    }
}

#[test]
fn a_caller_whose_certificate_has_ended_is_told_both_times() {
    let authority = Authority::new();
    let ended = authority.issue_with(&[FRONTEND], |leaf| {
        leaf.not_before = date_time_ymd(2019, 1, 1);
        leaf.not_after = date_time_ymd(2020, 1, 1);
    });
    let mut mesh = Mesh::of(1, &authority, ended.expect("the caller believes in it"));
    mesh.client().call("orders", GET, &[], true);
    mesh.world.advance(Duration::from_secs(3));
    let said = mesh.client().field("grpc-message").unwrap_or_default();
    for words in [
        "2019-01-01T00:00:00Z to 2020-01-01T00:00:00Z",
        "our clock says 20",
    ] {
        assert!(said.contains(words), "{words} is missing: {said}");
    }
}

#[test]
fn an_endpoint_of_another_identity_gets_no_call() {
    for expected in [
        "spiffe://outrider.local/ns/default/svc/payments",
        "spiffe://outrider.local/ns/default/svc/order",
        "spiffe://outrider.local/ns/default/svc/orders2",
        "spiffe://outrider.local/ns/default/svc/Orders",
    ] {
        let mut mesh = Mesh::new(1);
        let peer = SpiffeId::parse(expected.as_bytes()).expect("an id");
        let now = mesh.world.now;
        let transport = Transport::MutualTls { peer };
        mesh.world.engines[CALLER].configure(now, snapshot(&[address("10.0.0.1:1000")], transport));
        mesh.client().call("orders", GET, &[], true);
        mesh.world.advance(Duration::from_secs(3));
        assert_eq!(mesh.client().status().as_deref(), Some("14"));
        let said = mesh.client().field("grpc-message").unwrap_or_default();
        assert!(
            said.contains(&format!("expected {expected}, the peer presented {ORDERS}")),
            "{said}"
        );
        assert!(mesh.servers().is_empty());
    }
}

#[test]
fn a_certificate_with_two_identities_names_none() {
    let authority = Authority::new();
    let error = authority
        .issue(&[ORDERS, "spiffe://outrider.local/ns/default/svc/admin"])
        .expect_err("two URIs");
    assert!(format!("{error:?}").contains("UriCount(2)"), "{error:?}");
    assert!(authority.issue(&[]).is_err());
    for uri in ["https://outrider.local/orders", "spiffe://outrider.local"] {
        assert!(authority.issue(&[uri]).is_err(), "{uri}");
    }
}

#[test]
fn a_failed_handshake_counts_once_whatever_follows() {
    let own = Authority::new().issue(&[ORDERS]).expect("material");
    let mut engine = Engine::new(Settings::new("orders"), 1);
    engine.identity(Tick::ZERO, own);
    let caller = engine.accepted(Tick::ZERO, Side::Inbound, address("10.0.0.9:9"));
    for _ in 0..3 {
        engine.received(Tick::ZERO, caller, b"GET / HTTP/1.1\r\n\r\n");
    }
    assert_eq!(engine.gauges().counters.handshake_failures, [1, 0]);
}
