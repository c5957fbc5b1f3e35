//! The promise: bodies of any size arrive whole and in order, many at once, while short calls on
//! the same connection go on.

use std::time::Duration;

use outrider_daemon::Options;
use outrider_tests::{Application, Authority, Caller, Sidecar, write_service};

/// Longest any of this may take; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Octets of a body: more than all windows and socket buffers on the way hold.
const BODY_BYTES: usize = 8 << 20;

/// Large calls at once, on one connection.
const LARGE_CALLS: u8 = 4;

fn body(seed: u8) -> Vec<u8> {
    // A period that is no power of two: a chunk out of place is seen.
    (0..BODY_BYTES)
        .map(|index| seed.wrapping_add((index % 251) as u8))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_cross_two_sidecars_whole_beside_short_calls() {
    let application = Application::start("one").await;
    let authority = Authority::new();
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
    let frontend = Sidecar::start(Options {
        identity: Some(authority.issue(folders[2].path(), "frontend")),
        ..Sidecar::options("frontend", folders[0].path())
    });
    let frontend = frontend.await.expect("frontend starts");
    let caller = Caller::connect(frontend.addresses().outbound).await;
    let large = (0..LARGE_CALLS).map(|seed| {
        let caller = caller.clone();
        tokio::spawn(async move {
            let sent = body(seed);
            let reply = caller
                .call("orders", "/a.B/Get", &sent)
                .await
                .expect("a response");
            assert_eq!(reply.grpc_status, "0", "{}", reply.grpc_message);
            assert!(
                reply.body == sent,
                "{} octets came back changed",
                reply.body.len()
            );
        })
    });
    let large: Vec<_> = large.collect();
    let mut short_calls = 0;
    let all = async {
        while large.iter().any(|call| !call.is_finished()) {
            let reply = caller
                .call("orders", "/a.B/Get", b"short")
                .await
                .expect("a response");
            assert_eq!(
                (reply.grpc_status.as_str(), &*reply.body),
                ("0", &b"short"[..])
            );
            short_calls += 1;
        }
    };
    tokio::time::timeout(PATIENCE, all)
        .await
        .expect("the bodies arrive");
    for call in large {
        call.await.expect("a large call ends well");
    }
    assert!(short_calls > 1, "short calls waited for large ones");
}
