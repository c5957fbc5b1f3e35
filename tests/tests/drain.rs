//! The promise: a sidecar that is told to stop finishes what is open, begins nothing for others,
//! and then ends.

use std::time::Duration;

use outrider_daemon::Options;
use outrider_tests::{Application, Authority, Caller, Sidecar, write_service};
use tempfile::TempDir;

/// Longest any of this may take; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A sidecar whose calls to `orders` go to `application` in plaintext.
async fn outbound_only(application: &Application, drain: Duration) -> (Sidecar, TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_service(
        folder.path(),
        "orders",
        "none",
        &application.address.to_string(),
    );
    let options = Options {
        drain,
        ..Sidecar::options("frontend", folder.path())
    };
    (
        Sidecar::start(options).await.expect("the sidecar starts"),
        folder,
    )
}

#[tokio::test]
async fn a_call_in_flight_is_finished() {
    let mut application = Application::start("one").await;
    let (sidecar, _folder) = outbound_only(&application, PATIENCE).await;
    let caller = Caller::connect(sidecar.addresses().outbound).await;
    let call = tokio::spawn(async move { caller.call("orders", "/a.B/Hold", b"hello").await });
    application.until_held(1).await;
    sidecar.stop();
    let admin = sidecar.admin();
    let draining = admin.until("/readyz", |status, text| {
        status == 503 && text == "draining\n"
    });
    tokio::time::timeout(PATIENCE, draining)
        .await
        .expect("/readyz turns red");
    assert_eq!(
        admin.page("/livez").await.0,
        200,
        "draining is no reason for a restart"
    );
    application.release();
    let reply = call.await.expect("the caller lives").expect("a response");
    assert_eq!(
        (reply.grpc_status.as_str(), &*reply.body),
        ("0", &b"hello"[..])
    );
    let ended = tokio::time::timeout(PATIENCE / 2, sidecar.join()).await;
    ended
        .expect("it ends before the drain's time")
        .expect("it ends well");
}

#[tokio::test]
async fn the_end_comes_when_the_drain_has_lasted_long_enough() {
    let mut application = Application::start("one").await;
    let (sidecar, _folder) = outbound_only(&application, Duration::from_millis(200)).await;
    let caller = Caller::connect(sidecar.addresses().outbound).await;
    let call = tokio::spawn(async move { caller.call("orders", "/a.B/Hold", b"").await });
    application.until_held(1).await;
    sidecar.stop();
    let ended = tokio::time::timeout(PATIENCE, sidecar.join()).await;
    ended.expect("it ends").expect("it ends well");
    let reply = call.await.expect("the caller lives").expect("a response");
    assert_eq!(reply.grpc_status, "14", "{reply:?}");
}

#[tokio::test]
async fn a_second_stop_ends_at_once() {
    let mut application = Application::start("one").await;
    let (sidecar, _folder) = outbound_only(&application, 10 * PATIENCE).await;
    let caller = Caller::connect(sidecar.addresses().outbound).await;
    let call = tokio::spawn(async move { caller.call("orders", "/a.B/Hold", b"").await });
    application.until_held(1).await;
    sidecar.stop();
    sidecar.stop();
    let ended = tokio::time::timeout(PATIENCE, sidecar.join()).await;
    ended.expect("it ends").expect("it ends well");
    call.abort();
}

#[tokio::test]
async fn while_a_stream_is_open_no_call_of_the_application_is_refused() {
    let mut application = Application::start("one").await;
    let (sidecar, _folder) = outbound_only(&application, 10 * PATIENCE).await;
    let caller = Caller::connect(sidecar.addresses().outbound).await;
    let open = caller.clone();
    let stream = tokio::spawn(async move { open.call("orders", "/a.B/Hold", b"").await });
    application.until_held(1).await;
    sidecar.stop();
    let draining = sidecar.admin();
    let draining = draining.until("/readyz", |_, text| text == "draining\n");
    tokio::time::timeout(PATIENCE, draining)
        .await
        .expect("/readyz turns red");
    for _ in 0..100 {
        let another = Caller::connect(sidecar.addresses().outbound).await;
        for caller in [&caller, &another] {
            let reply = caller.call("orders", "/a.B/Get", b"hello").await;
            let reply = reply.expect("a response");
            assert_eq!(reply.grpc_status, "0", "{reply:?}");
        }
    }
    application.release();
    let reply = stream.await.expect("the caller lives").expect("a response");
    assert_eq!(reply.grpc_status, "0");
    drop(caller);
    let ended = tokio::time::timeout(PATIENCE, sidecar.join()).await;
    ended.expect("it ends").expect("it ends well");
}

#[tokio::test]
async fn other_sidecars_are_refused_while_the_application_may_still_call() {
    let mut application = Application::start("one").await;
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("a temporary folder"));
    write_service(
        folders[0].path(),
        "orders",
        "none",
        &application.address.to_string(),
    );
    let sidecar = Sidecar::start(Options {
        app: Some(application.address),
        identity: Some(Authority::new().issue(folders[1].path(), "orders")),
        drain: PATIENCE,
        ..Sidecar::options("orders", folders[0].path())
    });
    let sidecar = sidecar.await.expect("the sidecar starts");
    let caller = Caller::connect(sidecar.addresses().outbound).await;
    let open = caller.clone();
    let call = tokio::spawn(async move { open.call("orders", "/a.B/Hold", b"").await });
    application.until_held(1).await;
    sidecar.stop();
    let inbound = sidecar
        .addresses()
        .inbound
        .expect("orders has an application");
    let refused = async {
        while tokio::net::TcpStream::connect(inbound).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, refused)
        .await
        .expect("inbound is refused");
    application.release();
    let reply = call.await.expect("the caller lives").expect("a response");
    assert_eq!(reply.grpc_status, "0");
    drop(caller);
    sidecar.join().await.expect("it ends well");
}
