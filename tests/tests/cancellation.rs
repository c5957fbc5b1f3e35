//! The promise: a caller that goes away takes its call with it, all the way to the application.

use std::time::Duration;

use outrider_tests::{Application, Caller, Sidecar, write_service};

/// Longest any of this may take; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_cancelled_call_is_reset_at_the_application() {
    let mut application = Application::start("one").await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let address = application.address.to_string();
    write_service(folder.path(), "orders", "none", &address);
    let sidecar = Sidecar::start(Sidecar::options("frontend", folder.path()));
    let sidecar = sidecar.await.expect("the sidecar starts");
    let caller = Caller::connect(sidecar.addresses().outbound).await;
    let leaving = caller.clone();
    let call = tokio::spawn(async move { leaving.call("orders", "/a.B/Hold", b"").await });
    application.until_held(1).await;

    call.abort();

    tokio::time::timeout(PATIENCE, application.until_reset(1))
        .await
        .expect("the application sees a reset");
    let reply = caller.call("orders", "/a.B/Get", b"again").await;
    let reply = reply.expect("the connection outlives the call");
    assert_eq!(reply.grpc_status, "0", "{reply:?}");
}
