//! The promise: between sidecars there is mutual TLS with exactly the identity that was meant, and
//! nothing else comes through.

use std::time::Duration;

use outrider_daemon::Options;
use outrider_tests::{Application, Authority, Caller, Reply, Sidecar, write_service};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

struct Mesh {
    frontend: Sidecar,
    orders: Sidecar,
    /// Documents, files of orders, files of frontend.
    folders: [TempDir; 3],
}

/// A frontend and orders with its application; `authority` signs for orders, `other` for frontend.
async fn mesh(application: &Application, authority: &Authority, other: &Authority) -> Mesh {
    let folders = [(); 3].map(|()| tempfile::tempdir().expect("a temporary folder"));
    write_service(folders[0].path(), "orders", "mesh", "127.0.0.1:1");
    let orders = Sidecar::start(Options {
        app: Some(application.address),
        identity: Some(authority.issue(folders[1].path(), "orders")),
        ..Sidecar::options("orders", folders[0].path())
    });
    let orders = orders.await.expect("orders starts");
    let inbound = orders
        .addresses()
        .inbound
        .expect("orders has an application");
    write_service(folders[0].path(), "orders", "mesh", &inbound.to_string());
    let frontend = frontend(&folders[0], &folders[2], other).await;
    Mesh {
        frontend,
        orders,
        folders,
    }
}

/// A sidecar that only makes calls, with a certificate signed by `authority`.
async fn frontend(documents: &TempDir, files: &TempDir, authority: &Authority) -> Sidecar {
    let started = Sidecar::start(Options {
        identity: Some(authority.issue(files.path(), "frontend")),
        ..Sidecar::options("frontend", documents.path())
    });
    started.await.expect("frontend starts")
}

async fn call(frontend: &Sidecar, authority: &str) -> Reply {
    let caller = Caller::connect(frontend.addresses().outbound).await;
    caller
        .call(authority, "/shop.v1.Orders/Get", b"hello")
        .await
        .expect("a response")
}

/// Longest any of this may take; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(20);

const OK_HANDSHAKES: &str = r#"outrider_mtls_handshakes_total{side="inbound",result="ok"}"#;
const FAILED_HANDSHAKES: &str = r#"outrider_mtls_handshakes_total{side="inbound",result="failed"}"#;

#[tokio::test]
async fn a_call_crosses_both_sidecars_and_the_application_learns_who_called() {
    let application = Application::start("one").await;
    let authority = Authority::new();
    let mesh = mesh(&application, &authority, &authority).await;
    for name in ["orders", "localhost:50051"] {
        let reply = call(&mesh.frontend, name).await;
        assert_eq!(
            (reply.grpc_status.as_str(), &*reply.body),
            ("0", &b"hello"[..]),
            "{reply:?}"
        );
        let caller = reply
            .headers
            .get("x-saw-client-cert")
            .and_then(|value| value.to_str().ok());
        let expected = "spiffe://outrider.local/ns/default/svc/frontend";
        assert!(
            caller.is_some_and(|caller| caller.contains(expected)),
            "{caller:?}"
        );
    }
    assert_eq!(mesh.orders.admin().metric(OK_HANDSHAKES).await, 1.0);
    let frontend = mesh.frontend.admin();
    assert_eq!(
        frontend
            .metric(r#"outrider_plaintext_connections_total{side="outbound"}"#)
            .await,
        0.0
    );
    let calls = r#"outrider_calls_total{side="outbound",service="orders",method="shop.v1.Orders/other",code="OK",peer="orders"}"#;
    assert_eq!(
        frontend.metric(calls).await,
        2.0,
        "{}",
        frontend.page("/metrics").await.1
    );
}

#[tokio::test]
async fn inbound_does_not_believe_a_certificate_of_another_authority() {
    let application = Application::start("one").await;
    let (own, other) = (Authority::new(), Authority::new());
    let mesh = mesh(&application, &own, &own).await;
    // Believes both, so that only orders can refuse.
    let files = tempfile::tempdir().expect("a temporary folder");
    let stranger = Sidecar::start(Options {
        identity: Some(other.issue_trusting(files.path(), "frontend", &own)),
        ..Sidecar::options("frontend", mesh.folders[0].path())
    });
    let stranger = stranger.await.expect("the stranger starts");
    let reply = call(&stranger, "orders").await;
    assert_eq!(reply.grpc_status, "14", "{reply:?}");
    let orders = mesh.orders.admin();
    assert_eq!(orders.metric_or_zero(OK_HANDSHAKES).await, 0.0);
    assert!(orders.metric(FAILED_HANDSHAKES).await >= 1.0);
    assert_eq!(call(&mesh.frontend, "orders").await.grpc_status, "0");
}

#[tokio::test]
async fn outbound_does_not_believe_another_service_of_the_same_authority() {
    let application = Application::start("one").await;
    let authority = Authority::new();
    let mesh = mesh(&application, &authority, &authority).await;
    let inbound = mesh
        .orders
        .addresses()
        .inbound
        .expect("orders has an application");
    // What answers there is `orders`, and the document says `payments`.
    let [documents, files] = [(); 2].map(|()| tempfile::tempdir().expect("a temporary folder"));
    write_service(documents.path(), "payments", "mesh", &inbound.to_string());
    let frontend = frontend(&documents, &files, &authority).await;
    let reply = call(&frontend, "payments").await;
    assert_eq!(reply.grpc_status, "14", "{reply:?}");
    assert!(reply.headers.get("x-instance").is_none(), "{reply:?}");
}

#[tokio::test]
async fn plaintext_is_refused_at_the_inbound_listener() {
    let application = Application::start("one").await;
    let authority = Authority::new();
    let mesh = mesh(&application, &authority, &authority).await;
    let inbound = mesh
        .orders
        .addresses()
        .inbound
        .expect("orders has an application");
    let mut socket = tokio::net::TcpStream::connect(inbound)
        .await
        .expect("a connection");
    socket
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .expect("bytes are sent");
    let mut answer = Vec::new();
    // An end or a reset are both an end.
    let _ = socket.read_to_end(&mut answer).await;
    assert!(
        !answer.windows(4).any(|window| window == b"HTTP"),
        "{answer:?}"
    );
    assert_eq!(mesh.orders.admin().metric(FAILED_HANDSHAKES).await, 1.0);
}

#[tokio::test]
async fn a_new_certificate_is_taken_with_its_key_and_a_torn_pair_is_refused() {
    let application = Application::start("one").await;
    let authority = Authority::new();
    let mesh = mesh(&application, &authority, &authority).await;
    let (admin, folder) = (mesh.orders.admin(), mesh.folders[1].path());
    let changes = |result| format!("outrider_identity_changes_total{{result=\"{result}\"}} 1");
    let key = std::fs::read(folder.join("key.pem")).expect("the key is readable");

    authority.issue(folder, "orders");
    let taken = admin.until("/metrics", |_, page| page.contains(&changes("accepted")));
    tokio::time::timeout(PATIENCE, taken)
        .await
        .expect("the new pair is taken");
    assert_eq!(call(&mesh.frontend, "orders").await.grpc_status, "0");

    std::fs::write(folder.join("key.pem"), key).expect("a file is written");
    let refused = admin.until("/config", |_, page| page.contains("does not fit"));
    tokio::time::timeout(PATIENCE, refused)
        .await
        .expect("the torn pair is refused");
    assert_eq!(admin.page("/readyz").await.0, 200, "the old one is good");
    assert_eq!(call(&mesh.frontend, "orders").await.grpc_status, "0");
    let newcomer = frontend(&mesh.folders[0], &mesh.folders[2], &authority).await;
    assert_eq!(call(&newcomer, "orders").await.grpc_status, "0");
    assert_eq!(admin.metric(OK_HANDSHAKES).await, 2.0, "one each");
}
