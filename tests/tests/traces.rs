//! The promise: a sampled call is one trace in which every hop and every attempt has its place.

use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use outrider_daemon::Options;
use outrider_tests::{
    Application, Caller, Collector, Received, Sidecar, TracedMesh, traced_documents, write_document,
};

/// Longest any of this may take; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A mesh and its collector.
async fn traced(sample_percent: u32) -> (TracedMesh, Collector) {
    let collector = Collector::start().await;
    let mesh = TracedMesh::start(&collector.url(), sample_percent).await;
    (mesh, collector)
}

/// All spans, as soon as there are `count`.
async fn spans(collector: &mut Collector, count: usize) -> Vec<Received> {
    let spans = tokio::time::timeout(PATIENCE, collector.until(count)).await;
    spans.expect("the spans come")
}

fn of<'a>(spans: &'a [Received], service: &str) -> Vec<&'a Received> {
    spans.iter().filter(|one| one.service == service).collect()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[tokio::test]
async fn a_call_is_one_trace_from_the_caller_to_the_application() {
    let (mesh, mut collector) = traced(100).await;
    let reply = mesh.call("Get").await;
    let spans = spans(&mut collector, 3).await;
    let (outbound, inbound) = (of(&spans, "frontend"), of(&spans, "orders"));
    let ([call, attempt], [server]) = (&outbound[..], &inbound[..]) else {
        panic!("{spans:#?}");
    };
    assert!(call.span.parent_span_id.is_empty(), "the trace begins here");
    assert_eq!(attempt.span.parent_span_id, call.span.span_id);
    assert_eq!(server.span.parent_span_id, attempt.span.span_id);
    for one in &spans {
        assert_eq!(one.span.trace_id, call.span.trace_id);
        assert_eq!(one.text("rpc.method"), "shop.v1.Orders/Get");
        assert_eq!(one.text("rpc.response.status_code"), "OK");
        assert!(one.span.start_time_unix_nano <= one.span.end_time_unix_nano);
    }
    assert_eq!(call.span.kind(), SpanKind::Client);
    assert_eq!(server.span.kind(), SpanKind::Server);
    let told = format!(
        "00-{}-{}-01",
        hex(&server.span.trace_id),
        hex(&server.span.span_id)
    );
    assert_eq!(reply.headers["x-saw-traceparent"], told.as_str());
}

#[tokio::test]
async fn each_attempt_of_a_retried_call_leads_to_the_hop_it_reached() {
    let (mesh, mut collector) = traced(100).await;
    assert_eq!(mesh.call("Flaky").await.grpc_status, "0");
    let spans = spans(&mut collector, 5).await;
    let (outbound, inbound) = (of(&spans, "frontend"), of(&spans, "orders"));
    let ([call, first, second], [one, two]) = (&outbound[..], &inbound[..]) else {
        panic!("{spans:#?}");
    };
    let code = |one: &Received| one.text("rpc.response.status_code").to_owned();
    for (attempt, server, expected) in [(first, one, "UNAVAILABLE"), (second, two, "OK")] {
        assert_eq!(attempt.span.parent_span_id, call.span.span_id);
        assert_eq!(server.span.parent_span_id, attempt.span.span_id);
        assert_eq!(
            (code(attempt), code(server)),
            (expected.into(), expected.into())
        );
    }
    assert_eq!(code(call), "OK");
    assert_ne!(first.span.span_id, second.span.span_id);
}

#[tokio::test]
async fn what_waits_is_exported_before_the_end() {
    let (mesh, mut collector) = traced(100).await;
    mesh.call("Get").await;
    mesh.end().await;
    let spans = tokio::time::timeout(Duration::ZERO, collector.until(3)).await;
    assert!(spans.is_ok(), "nothing is waited for any more");
}

#[tokio::test]
async fn an_unsampled_call_makes_no_span_and_says_so_to_the_next_hop() {
    let (mesh, _collector) = traced(0).await;
    let reply = mesh.call("Get").await;
    let told = reply.headers["x-saw-traceparent"].to_str().expect("text");
    assert!(told.ends_with("-00"), "{told}");
    for sidecar in [&mesh.frontend, &mesh.orders] {
        let admin = sidecar.admin();
        for metric in ["exported", "dropped"] {
            let name = format!("outrider_spans_{metric}_total");
            assert_eq!(admin.metric(&name).await, 0.0, "{name}");
        }
    }
}

#[tokio::test]
async fn a_collector_that_is_away_costs_spans_and_no_call() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let application = Application::start("one").await;
    let text = traced_documents(&application.address.to_string(), "none", 100);
    write_document(folder.path(), "mesh.yaml", &text);
    let nobody = "http://127.0.0.1:1".parse().expect("a URL");
    let sidecar = Sidecar::start(Options {
        otlp: Some(nobody),
        ..Sidecar::options("frontend", folder.path())
    });
    let sidecar = sidecar.await.expect("it starts");
    let caller = Caller::connect(sidecar.addresses().outbound).await;
    let reply = caller.call("orders", "/shop.v1.Orders/Get", b"").await;
    assert_eq!(reply.expect("a response").grpc_status, "0");
    let admin = sidecar.admin();
    let counted = admin.until("/metrics", |_, page| {
        page.lines()
            .any(|line| line == "outrider_spans_dropped_total 2")
    });
    tokio::time::timeout(PATIENCE, counted)
        .await
        .expect("both are counted");
}
