//! The promise: nobody holds a connection, or octets on one, for longer than the documents say; what
//! ends is counted. Over real sockets, with limits made short. The rules themselves are shown under
//! virtual time in `sidecar/engine/tests/engine/{lifetimes,trust}.rs`.

use std::time::Duration;

use outrider_daemon::Options;
use outrider_tests::raw::{Frame, Heard, Peer, flag, grpc_request, kind};
use outrider_tests::{Application, Authority, Caller, Sidecar, write_document, write_service};
use tempfile::TempDir;
use tokio::time::timeout;

const MESH: &str = "apiVersion: outrider.dev/v1\nkind: Mesh\nmetadata: { name: mesh }\nspec:\n  \
                    connections: { handshakeTimeout: 300ms, headerTimeout: 300ms, \
                    stalledTimeout: 800ms, idleTimeout: 700ms }\n";

/// Longest any of this may take; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(20);

const ENHANCE_YOUR_CALM: u32 = 11;

/// Orders: its application, its sidecar, and the documents, by which it may call itself in plaintext.
struct Orders {
    _application: Application,
    sidecar: Sidecar,
    _folders: [TempDir; 2],
}

impl Orders {
    async fn start() -> Orders {
        let application = Application::start("only").await;
        let folders = [(); 2].map(|()| tempfile::tempdir().expect("a temporary folder"));
        let [documents, files] = &folders;
        write_document(documents.path(), "mesh.yaml", MESH);
        let address = application.address.to_string();
        write_service(documents.path(), "orders", "none", &address);
        let sidecar = Sidecar::start(Options {
            app: Some(application.address),
            identity: Some(Authority::new().issue(files.path(), "orders")),
            ..Sidecar::options("orders", documents.path())
        });
        Orders {
            sidecar: sidecar.await.expect("orders starts"),
            _application: application,
            _folders: folders,
        }
    }

    /// Returns when the sidecar has ended a caller's connection for `cause`.
    async fn until_ended(&self, cause: &str) {
        let series =
            format!("outrider_connections_ended_total{{end=\"downstream\",cause=\"{cause}\"}}");
        let admin = self.sidecar.admin();
        let counted = async { while admin.metric(&series).await < 1.0 {} };
        timeout(PATIENCE, counted).await.expect("it is counted");
    }
}

#[tokio::test]
async fn who_does_not_greet_is_closed_on_both_listeners() {
    let orders = Orders::start().await;
    let addresses = orders.sidecar.addresses();
    let inbound = addresses.inbound.expect("it has an application");
    for (address, said) in [
        (addresses.outbound, &b""[..]),
        (addresses.outbound, b"PRI * HT"),
        (inbound, b""),
        // The head of a TLS record of 100 octets.
        (inbound, b"\x16\x03\x01\x00\x64"),
    ] {
        let mut peer = Peer::connect(address).await.expect("a connection");
        peer.send_octets(said).await;
        assert!(peer.until_closed(PATIENCE).await, "{address} {said:?}");
    }
    orders.until_ended("handshake").await;
}

#[tokio::test]
async fn a_header_block_that_never_ends_is_told_to_calm_down() {
    let orders = Orders::start().await;
    let outbound = orders.sidecar.addresses().outbound;
    let mut peer = Peer::greet(outbound, &[]).await.expect("a greeting");
    let block = grpc_request("orders", "/shop.v1.Orders/Get");
    peer.send(&Frame::new(kind::HEADERS, 0, 1, block.octets()))
        .await;
    let heard = peer.until(PATIENCE, |it| it.kind == kind::GOAWAY).await;
    let Heard::Frame(goaway) = heard else {
        panic!("{heard:?}");
    };
    assert_eq!(goaway.error_code(), Some(ENHANCE_YOUR_CALM));
    assert!(peer.until_closed(PATIENCE).await);
    orders.until_ended("header_block").await;
}

#[tokio::test]
async fn an_idle_connection_is_told_and_closed() {
    let orders = Orders::start().await;
    let outbound = orders.sidecar.addresses().outbound;
    let mut peer = Peer::greet(outbound, &[]).await.expect("a greeting");
    let heard = peer.until(PATIENCE, |it| it.kind == kind::GOAWAY).await;
    let notice = Frame::goaway(0x7fff_ffff, 0);
    assert_eq!(heard, Heard::Frame(notice), "the first of two steps");
    let heard = peer.until(PATIENCE, |it| it.kind == kind::GOAWAY).await;
    assert_eq!(heard, Heard::Frame(Frame::goaway(0, 0)));
    assert!(peer.until_closed(PATIENCE).await);
    orders.until_ended("idle").await;
}

#[tokio::test]
async fn who_takes_nothing_of_its_answers_is_dropped_and_nobody_else() {
    const CALLS: u32 = 200;
    let orders = Orders::start().await;
    let outbound = orders.sidecar.addresses().outbound;
    let stalled = Peer::connect_narrow(outbound, 4_096).await;
    let mut stalled = stalled.expect("a connection");
    // Windows as wide as they get: only the socket holds the answers back.
    let windows = [(4, 0x7fff_ffff)];
    let greeted = stalled.greet_as_client(&windows).await;
    greeted.expect("a greeting");
    stalled.send(&Frame::window_update(0, 0x7fff_0000)).await;
    let block = grpc_request("orders", "/shop.v1.Orders/Get");
    for stream in (0..CALLS).map(|call| 2 * call + 1) {
        stalled
            .send(&Frame::headers(stream, 0, block.octets()))
            .await;
        for last in [0, 0, 0, flag::END_STREAM] {
            let body = Frame::data(stream, last, &[1; 16_000]);
            stalled.send(&body).await;
        }
    }
    orders.until_ended("stalled").await;
    let other = Caller::connect(outbound).await;
    let reply = other.call("orders", "/shop.v1.Orders/Get", b"hello").await;
    assert_eq!(reply.expect("a response").grpc_status, "0");
    assert!(stalled.until_closed(PATIENCE).await);
}
