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

/// What an application sees of a call that brings these fields: its `tracestate`, and its trace id.
fn seen(brought: &[(&str, &str)]) -> (Vec<String>, String) {
    let mut mesh = Mesh::new(1);
    mesh.client().call("orders", GET, brought, true);
    mesh.world.settle();
    let server = mesh.servers()[0];
    let (_, head) = mesh.world.peers[server].heads()[0].clone();
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let parents: Vec<_> = head.find_all(b"traceparent").map(text).collect();
    let [parent] = &parents[..] else {
        panic!("{parents:?}");
    };
    let trace = parent[3..35].to_owned();
    (head.find_all(b"tracestate").map(text).collect(), trace)
}

#[test]
fn a_trace_state_lives_and_dies_with_the_trace_it_came_with() {
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str], bool);
    let parent = |value| ("traceparent", value);
    let state = |value| ("tracestate", value);
    let long = (0..33).map(|at| format!("k{at}=v")).collect::<Vec<_>>();
    let (long, short) = (long.join(","), long[..32].join(","));
    #[rustfmt::skip] // A table: one case a line.
    let cases: [Case<'_>; 11] = [
        ("both", &[parent(SAMPLED), state("a=1")], &["a=1"], true),
        ("in any order", &[state("a=1"), parent(SAMPLED)], &["a=1"], true),
        ("several are one", &[parent(SAMPLED), state("a=1"), state("b=2")], &["a=1,b=2"], true),
        ("white space at the ends", &[parent(" 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 "), state(" a=1\t")], &["a=1"], true),
        ("no parent", &[state("a=1")], &[], false),
        ("a broken parent", &[parent("00-0-0-01"), state("a=1")], &[], false),
        ("two parents", &[parent(SAMPLED), parent(SAMPLED), state("a=1")], &[], false),
        ("a broken state", &[parent(SAMPLED), state("A")], &[], true),
        ("an empty state", &[parent(SAMPLED), state("")], &[], true),
        ("32 entries", &[parent(SAMPLED), state(&short)], &[&short], true),
        ("33 entries", &[parent(SAMPLED), state(&long)], &[], true),
    ];
    for (case, brought, expected, goes_on) in cases {
        let (states, trace) = seen(brought);
        assert_eq!(states, expected, "{case}");
        assert_eq!(trace == SAMPLED[3..35], goes_on, "{case}");
    }
}
