//! Where a call, its attempts and the next hop stand in a trace.

use std::time::Duration;

use crate::world::mesh::{GET, Mesh, address};
use outrider_engine::{CallRecord, Side};
use outrider_policy::{Code, TraceContext};

/// The example of W3C Trace Context, section 3.2, and the same not sampled.
const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
const PARENT: [u8; 8] = 0xb7ad_6b71_6920_3331_u64.to_be_bytes();

/// An idempotent call whose first endpoint answers UNAVAILABLE and whose second answers OK.
fn retried(traceparent: &str) -> Mesh {
    let mut mesh = Mesh::new(2);
    mesh.client()
        .call("orders", GET, &[("traceparent", traceparent)], true);
    for status in ["14", "0"] {
        mesh.world.advance(Duration::from_millis(100));
        let server = *mesh.servers().last().expect("an application");
        let (at, _) = mesh.world.peers[server].heads()[0].clone();
        mesh.world.peers[server].answer(at, b"", status);
    }
    mesh.world.settle();
    mesh
}

fn of(mesh: &Mesh, side: Side) -> Vec<&CallRecord> {
    let records = mesh.world.records.iter();
    records.filter(|record| record.side == side).collect()
}

#[test]
fn each_hop_hangs_below_the_attempt_that_reached_it() {
    let mesh = retried(SAMPLED);
    let [call] = of(&mesh, Side::Outbound)[..] else {
        panic!("one call");
    };
    assert_eq!(call.parent_span, Some(PARENT));
    let attempts = &call.attempt_records;
    let codes: Vec<Code> = attempts.iter().map(|attempt| attempt.code).collect();
    assert_eq!(codes, [Code::Unavailable, Code::Ok]);
    assert!(attempts.iter().all(|attempt| attempt.sent));
    assert_ne!(attempts[0].endpoint, attempts[1].endpoint);
    assert!(attempts[0].ended < attempts[1].started);
    let parents = of(&mesh, Side::Inbound)
        .into_iter()
        .map(|hop| hop.parent_span);
    let spans = attempts.iter().map(|attempt| Some(attempt.span_id));
    assert_eq!(parents.collect::<Vec<_>>(), spans.collect::<Vec<_>>());
}

#[test]
fn the_application_hangs_below_the_inbound_call() {
    let mesh = retried(SAMPLED);
    let hops = of(&mesh, Side::Inbound);
    assert_eq!(hops.len(), 2);
    for (server, hop) in mesh.servers().into_iter().zip(hops) {
        let (_, head) = &mesh.world.peers[server].heads()[0];
        let told = head.find(b"traceparent").and_then(TraceContext::parse);
        assert_eq!(told, Some(hop.trace));
        assert!(hop.attempt_records.is_empty(), "the attempt is the call");
    }
}

#[test]
fn a_trace_that_is_not_sampled_has_no_attempts_and_the_hop_hangs_below_the_call() {
    let mesh = retried(UNSAMPLED);
    let call = of(&mesh, Side::Outbound)[0];
    assert!(call.attempt_records.is_empty());
    for hop in of(&mesh, Side::Inbound) {
        assert!(!hop.trace.sampled());
        assert_eq!(hop.parent_span, Some(call.trace.span_id()));
    }
}

#[test]
fn an_attempt_without_a_connection_was_not_sent() {
    let mut mesh = Mesh::new(1);
    mesh.world.close(address("10.0.0.1:1000"));
    mesh.client()
        .call("orders", GET, &[("traceparent", SAMPLED)], true);
    mesh.world.advance(Duration::from_secs(1));
    let attempts = &of(&mesh, Side::Outbound)[0].attempt_records;
    assert!(!attempts.is_empty());
    for attempt in attempts {
        assert_eq!((attempt.sent, attempt.code), (false, Code::Unavailable));
    }
}
