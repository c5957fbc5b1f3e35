//! The promise: a token and an address are all a sidecar needs. Its calls find services when they
//! are made, follow policy, and go on without the control plane, over a restart too.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use outrider_daemon::{Options, Source};
use outrider_tests::{
    Application, Caller, Mesh, Reply, Sidecar, call_orders, until_ready, write_document,
};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

/// Longest any of this may take; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Life of a certificate where it does not matter. Seconds.
const DAY: u64 = 86_400;

async fn start(options: Options) -> Sidecar {
    Sidecar::start(options).await.expect("the sidecar starts")
}

async fn until_answered_by(sidecar: &Sidecar, instance: &str) {
    let answered = async { while instance_of(&call_orders(sidecar).await) != instance {} };
    let answered = timeout(PATIENCE, answered).await;
    answered.unwrap_or_else(|_| panic!("never answered by {instance}"));
}

fn instance_of(reply: &Reply) -> String {
    let instance = reply.headers.get("x-instance");
    let instance = instance.and_then(|value| value.to_str().ok());
    instance.unwrap_or_default().to_owned()
}

async fn config(sidecar: &Sidecar) -> serde_json::Value {
    let (_, page) = sidecar.admin().page("/config").await;
    serde_json::from_str(&page).expect("the page is JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_enough_to_find_and_be_found_in_any_order() {
    let mesh = Mesh::start(DAY).await;
    let frontend = mesh.frontend().await;
    // Nobody runs orders yet, and nobody has asked for it: the call waits for both.
    let early = async { call_orders(&frontend).await };
    let application = Application::start("one").await;
    let later = async { mesh.orders("orders", &application).await };
    let (reply, orders) = tokio::join!(early, later);
    assert_eq!(reply.grpc_status, "0", "{reply:?}");
    assert_eq!(instance_of(&reply), "one");
    let peer = reply.headers.get("x-saw-client-cert");
    let peer = peer.and_then(|peer| peer.to_str().ok()).unwrap_or_default();
    assert!(peer.contains("/ns/default/svc/frontend"), "{peer}");
    until_ready(&orders).await;
    until_ready(&frontend).await;

    // Another instance, and the first one goes in good order: no call finds it any more.
    let second = Application::start("two").await;
    let _second = mesh.orders("orders-2", &second).await;
    until_answered_by(&frontend, "two").await;
    orders.stop();
    orders.join().await.expect("a good end");
    for _ in 0..50 {
        assert_eq!(instance_of(&call_orders(&frontend).await), "two");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_policy_reaches_calls_and_a_bad_one_does_not() {
    let mesh = Mesh::start(DAY).await;
    let application = Application::start("one").await;
    let _orders = mesh.orders("orders", &application).await;
    let frontend = mesh.frontend().await;
    assert_eq!(call_orders(&frontend).await.grpc_status, "0");
    let policy = |timeout: &str| {
        format!(
            "apiVersion: outrider.dev/v1\nkind: TrafficPolicy\nmetadata: {{ name: orders }}\nspec:\n  \
             targetRefs: [ {{ kind: Service, name: orders }} ]\n  \
             methods: [ {{ name: shop.v1.Orders/Hold, unary: true, timeout: {timeout} }} ]\n"
        )
    };
    write_document(mesh.documents.path(), "policy.yaml", &policy("50ms"));
    let caller = Caller::connect(frontend.addresses().outbound).await;
    // Held for ever but for the policy: until it has arrived each call is given up by the caller.
    let refused = async {
        loop {
            let held = caller.call("orders", "/shop.v1.Orders/Hold", b"hello");
            if let Ok(reply) = timeout(Duration::from_millis(500), held).await {
                return reply.expect("a response");
            }
        }
    };
    let reply = timeout(PATIENCE, refused).await.expect("it arrives");
    assert_eq!(reply.grpc_status, "4", "{reply:?}");
    write_document(mesh.documents.path(), "policy.yaml", &policy("soon"));
    assert_eq!(call_orders(&frontend).await.grpc_status, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_restarts_do_without_the_control_plane() {
    let mut mesh = Mesh::start(DAY).await;
    let application = Application::start("one").await;
    let orders_sidecar = mesh.orders("orders", &application).await;
    let options = mesh.member("frontend", "frontend").await;
    let frontend = start(options.clone()).await;
    assert_eq!(call_orders(&frontend).await.grpc_status, "0");
    until_saved(&mesh, "frontend").await;

    mesh.take_away().await;
    frontend
        .admin()
        .until("/config", |_, page| page.contains("\"connected\": false"))
        .await;
    for _ in 0..20 {
        assert_eq!(call_orders(&frontend).await.grpc_status, "0");
    }
    frontend.stop();
    frontend.join().await.expect("a good end");
    let frontend = start(options).await;
    assert_eq!(call_orders(&frontend).await.grpc_status, "0");
    until_ready(&frontend).await;
    let page = config(&frontend).await;
    assert!(
        page["control_plane"]["last_good_age_seconds"].is_u64(),
        "{page}"
    );
    assert_eq!(page["control_plane"]["connected"], false, "{page}");

    // Back again: what changed meanwhile arrives.
    mesh.bring_back().await;
    frontend
        .admin()
        .until("/config", |_, page| page.contains("\"connected\": true"))
        .await;
    orders_sidecar
        .admin()
        .until("/config", |_, page| page.contains("\"connected\": true"))
        .await;
    let second = Application::start("two").await;
    let _second = mesh.orders("orders-2", &second).await;
    until_answered_by(&frontend, "two").await;
}

/// Returns when the last good configuration of the member `name` knows orders.
async fn until_saved(mesh: &Mesh, name: &str) {
    let file = mesh.folder(name).join("configuration");
    let saved = async {
        loop {
            let octets = fs::read(&file).unwrap_or_default();
            // Its endpoints: the last thing that a first call brings.
            if octets
                .windows(21)
                .any(|window| window == b"ClusterLoadAssignment")
            {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, saved).await.expect("it is saved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_control_plane_that_never_was() {
    let mut mesh = Mesh::start(DAY).await;
    let options = mesh.member("frontend", "frontend").await;
    mesh.take_away().await;
    let frontend = start(options).await;
    let admin = frontend.admin();
    let unreachable = admin.until("/readyz", |status, page| {
        status == 503 && page.contains("cannot be reached")
    });
    timeout(PATIENCE, unreachable).await.expect("it says so");
    frontend.stop();
    frontend.join().await.expect("a good end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_application_behind_a_live_sidecar_is_no_endpoint() {
    let mesh = Mesh::start(DAY).await;
    let (first, second) = (
        Application::start("one").await,
        Application::start("two").await,
    );
    let _first = mesh.orders("orders", &first).await;
    let frontend = mesh.frontend().await;
    until_answered_by(&frontend, "one").await;
    let _second = mesh.orders("orders-2", &second).await;
    until_answered_by(&frontend, "two").await;
    first.close();
    let only_second = |_: u16, page: &str| page.matches("\"address\"").count() == 1;
    let removed = frontend.admin();
    let removed = removed.until("/clusters", only_second);
    timeout(PATIENCE, removed).await.expect("it is removed");
    for _ in 0..20 {
        assert_eq!(instance_of(&call_orders(&frontend).await), "two");
    }
}

async fn until(silent: &mut watch::Receiver<bool>) {
    let said = silent.wait_for(|silent| *silent).await;
    said.map(drop).expect("the test is there");
}

/// Passes octets on between a sidecar and the control plane, until it goes silent.
async fn forward(from: TcpListener, to: SocketAddr, silent: watch::Receiver<bool>) {
    while let Ok((mut near, _)) = from.accept().await {
        let mut silent = silent.clone();
        tokio::spawn(async move {
            let mut far = TcpStream::connect(to).await.expect("a connection");
            tokio::select! {
                copied = copy_bidirectional(&mut near, &mut far) => drop(copied),
                () = until(&mut silent) => {}
            }
            // Held open, and nothing ever answers.
            std::future::pending::<()>().await;
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_that_vanishes_without_a_word_is_noticed_in_15_seconds() {
    let mesh = Mesh::start(DAY).await;
    let between = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = between.local_addr().expect("an address");
    let (silence, silent) = watch::channel(false);
    tokio::spawn(forward(between, mesh.address(), silent));
    let mut options = mesh.member("frontend", "frontend").await;
    if let Source::ControlPlane(membership) = &mut options.source {
        membership.control_plane = Mesh::url(address);
    }
    let frontend = start(options).await;
    until_ready(&frontend).await;
    silence.send_replace(true);
    let admin = frontend.admin();
    let noticed = admin.until("/config", |_, page| page.contains("\"connected\": false"));
    let limit = Duration::from_secs(16);
    timeout(limit, noticed)
        .await
        .expect("it is noticed in time");
}
