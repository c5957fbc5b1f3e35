//! The promise: a call ends at its deadline by the sidecar's hand, at both ends.

use std::time::Duration;

use outrider_tests::{Application, Caller, Sidecar, write_service};

/// Longest any of this may take; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(20);

const PATH: &str = "/shop.v1.Orders/Hold";

#[tokio::test]
async fn the_sidecar_answers_at_the_deadline_and_the_application_sees_a_reset() {
    let mut application = Application::start("one").await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let address = application.address.to_string();
    write_service(folder.path(), "orders", "none", &address);
    let sidecar = Sidecar::start(Sidecar::options("frontend", folder.path()));
    let sidecar = sidecar.await.expect("the sidecar starts");
    let caller = Caller::connect(sidecar.addresses().outbound).await;

    // Long enough to reach the application on a busy machine; the application never answers.
    let call = caller.call_with("orders", PATH, b"hello", &[("grpc-timeout", "500m")]);
    let reply = tokio::time::timeout(PATIENCE, call).await;
    let reply = reply.expect("the call ends").expect("a response");

    assert_eq!(reply.grpc_status, "4", "{reply:?}");
    tokio::time::timeout(PATIENCE, application.until_reset(1))
        .await
        .expect("the application sees a reset");
    let attempts = r#"outrider_attempts_total{side="outbound",service="orders"}"#;
    assert_eq!(sidecar.admin().metric(attempts).await, 1.0);
}
