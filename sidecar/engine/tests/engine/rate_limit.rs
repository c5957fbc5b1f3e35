//! Rate limits: what is admitted, what waits and what is refused, and what the caller hears of it.

use std::sync::Arc;
use std::time::Duration;

use outrider_engine::config::Snapshot;
use outrider_engine::{Outcome, Reason, Side};
use outrider_policy::{ClusterPolicy, Code, Limits, RateAlgorithm, RateLimit};

use crate::discovery::{INSTANCE, answer_all, gauges, orders};
use crate::world::mesh::{CALLER, GET, Mesh, address};

const ADMITTED: (Outcome, Code) = (Outcome::Answered, Code::Ok);
const REFUSED: (Outcome, Code) = (
    Outcome::Refused(Reason::RateLimited),
    Code::ResourceExhausted,
);

fn limited(rate_limits: &[RateLimit], calls: u32) -> Snapshot {
    let mut known = orders(&[address(INSTANCE)]);
    let cluster = known.clusters.get_mut("orders").expect("it is there");
    Arc::make_mut(cluster).policy = ClusterPolicy {
        rate_limits: rate_limits.to_vec(),
        limits: Limits {
            calls,
            ..Limits::default()
        },
        ..ClusterPolicy::default()
    };
    known
}

fn mesh(limit: RateLimit) -> Mesh {
    let mut mesh = Mesh::new(1);
    mesh.configure(limited(&[limit], 1_000));
    mesh
}

/// So many calls at this moment; how those ended that are over.
fn outcomes(mesh: &mut Mesh, calls: usize) -> Vec<(Outcome, Code)> {
    let before = mesh.outcome(Side::Outbound).len();
    for _ in 0..calls {
        mesh.client().call("orders", GET, &[], true);
        mesh.world.settle();
        answer_all(mesh);
    }
    mesh.outcome(Side::Outbound).split_off(before)
}

#[test]
fn a_caller_over_the_limit_hears_when_to_come_again() {
    let limit = RateLimit {
        response_headers: true,
        ..RateLimit::new("hundred", 2)
    };
    let mut mesh = mesh(limit);
    assert_eq!(outcomes(&mut mesh, 1), [ADMITTED]);
    let shown = mesh.client().field("ratelimit");
    assert_eq!(shown.as_deref(), Some("\"hundred\";r=1;t=1"));
    assert_eq!(outcomes(&mut mesh, 2), [ADMITTED, REFUSED]);
    let field = |mesh: &mut Mesh, name: &str| mesh.client().field(name);
    assert_eq!(
        field(&mut mesh, "grpc-message").as_deref(),
        Some(
            "frontend/outbound: the rate limit `hundred` of orders is used up: 2 calls in 1s \
             [RATE_LIMITED]"
        )
    );
    let pushback = field(&mut mesh, "grpc-retry-pushback-ms");
    assert_eq!(pushback.as_deref(), Some("500"));
    assert!(field(&mut mesh, "grpc-status-details-bin").is_some());
    let shown = field(&mut mesh, "ratelimit");
    assert_eq!(shown.as_deref(), Some("\"hundred\";r=0;t=1"));
    mesh.world.advance(Duration::from_millis(500));
    assert_eq!(outcomes(&mut mesh, 2), [ADMITTED, REFUSED]);
    mesh.assert_quiet();
}

fn paced() -> RateLimit {
    RateLimit {
        algorithm: RateAlgorithm::LeakyBucket,
        wait_max: Some(Duration::from_millis(20)),
        ..RateLimit::new("pace", 100)
    }
}

#[test]
fn a_call_waits_for_its_permit_and_is_charged_once() {
    let mut mesh = mesh(paced());
    assert_eq!(outcomes(&mut mesh, 4), [ADMITTED, REFUSED]);
    assert_eq!(gauges(&mesh).waiting.iter().sum::<usize>(), 2);
    for _ in 0..2 {
        mesh.world.advance(Duration::from_millis(10));
        answer_all(&mut mesh);
    }
    let all = mesh.outcome(Side::Outbound);
    assert_eq!(all, [ADMITTED, REFUSED, ADMITTED, ADMITTED]);
    // Three permits of 10 ms each are taken, so the next one is there now.
    mesh.world.advance(Duration::from_millis(10));
    assert_eq!(outcomes(&mut mesh, 1), [ADMITTED]);
    mesh.assert_quiet();
}

#[test]
fn a_call_whose_deadline_is_before_its_permit_is_refused_at_once() {
    let mut mesh = mesh(paced());
    assert_eq!(outcomes(&mut mesh, 1), [ADMITTED]);
    let short = [("grpc-timeout", "9m")];
    mesh.client().call("orders", GET, &short, true);
    mesh.world.settle();
    assert_eq!(mesh.outcome(Side::Outbound), [ADMITTED, REFUSED]);
    mesh.assert_quiet();
}

#[test]
fn a_call_needs_a_permit_of_each_limit() {
    let mut mesh = Mesh::new(1);
    let (many, few) = (RateLimit::new("many", 10), RateLimit::new("few", 1));
    mesh.configure(limited(&[many, few], 1_000));
    assert_eq!(outcomes(&mut mesh, 2), [ADMITTED, REFUSED]);
    mesh.assert_quiet();
}

/// Whether the second of two limits of one call a second is spent after this change.
fn is_spent_after(change: &[RateLimit], calls: u32) -> bool {
    let mut mesh = Mesh::new(1);
    let before = limited(&[RateLimit::new("one", 1)], 1_000);
    mesh.configure(before.clone());
    assert_eq!(outcomes(&mut mesh, 1), [ADMITTED]);
    let mut after = limited(change, calls);
    after.inherit(&before, mesh.world.now);
    mesh.configure(after);
    outcomes(&mut mesh, 1) == [REFUSED]
}

#[test]
fn a_limit_keeps_its_state_over_changes_that_do_not_concern_it() {
    let one = RateLimit::new("one", 1);
    assert!(is_spent_after(std::slice::from_ref(&one), 999));
    assert!(is_spent_after(&[RateLimit::new("other", 7), one], 1_000));
    assert!(!is_spent_after(&[RateLimit::new("one", 2)], 1_000));
    assert!(!is_spent_after(&[RateLimit::new("another", 1)], 1_000));
}

#[test]
fn a_caller_that_leaves_ends_its_calls_that_wait_for_a_permit() {
    let mut mesh = mesh(paced());
    outcomes(&mut mesh, 3);
    let client = mesh.client;
    mesh.world.cut(client);
    mesh.world.advance(Duration::from_millis(30));
    assert_eq!(mesh.world.engines[CALLER].gauges().calls, 0);
    mesh.assert_quiet();
}
