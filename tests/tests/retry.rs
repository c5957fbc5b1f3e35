//! The promise: a failed call of an idempotent method is made again, at another instance; one of
//! any other method is not.

use std::time::Duration;

use outrider_daemon::Options;
use outrider_tests::{Application, Caller, Reply, Sidecar, write_document};

/// Longest any of this may take; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two endpoints; `Get` may be repeated, `Place` may not.
fn documents(endpoints: [&Application; 2]) -> String {
    let [one, two] = endpoints.map(|application| application.address);
    format!(
        "apiVersion: outrider.dev/v1
kind: Service
metadata: {{ name: orders }}
spec:
  grpcServices: [shop.v1.Orders]
  tls: none
  endpoints: {{ static: [ {{ address: \"{one}\" }}, {{ address: \"{two}\" }} ] }}
---
apiVersion: outrider.dev/v1
kind: TrafficPolicy
metadata: {{ name: orders }}
spec:
  targetRefs: [ {{ kind: Service, name: orders }} ]
  retry: {{ attempts: 2, on: [UNAVAILABLE] }}
  methods:
    - {{ name: shop.v1.Orders/Get, unary: true, idempotent: true }}
    - {{ name: shop.v1.Orders/Place, unary: true }}
"
    )
}

async fn call(caller: &Caller, method: &str) -> Reply {
    let path = format!("/shop.v1.Orders/{method}");
    let reply = caller.call("orders", &path, b"hello").await;
    reply.expect("a response")
}

#[tokio::test]
async fn an_idempotent_call_is_made_again_at_another_instance() {
    let (good, bad) = (
        Application::start("good").await,
        Application::start("bad").await,
    );
    bad.fail();
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_document(folder.path(), "orders.yaml", &documents([&bad, &good]));
    let options = Options {
        workers: 1,
        ..Sidecar::options("frontend", folder.path())
    };
    let sidecar = Sidecar::start(options).await.expect("the sidecar starts");
    let caller = Caller::connect(sidecar.addresses().outbound).await;
    let admin = sidecar.admin();
    let retries = r#"outrider_retries_total{side="outbound",service="orders"}"#;

    // Which instance comes first is chance; it does not stay the good one for ever.
    let retried = async {
        while admin.metric_or_zero(retries).await < 1.0 {
            let reply = call(&caller, "Get").await;
            assert_eq!(reply.grpc_status, "0", "{reply:?}");
            let instance = reply.headers.get("x-instance");
            assert_eq!(instance.map(|name| name.as_bytes()), Some(&b"good"[..]));
        }
    };
    tokio::time::timeout(PATIENCE, retried)
        .await
        .expect("a call is made again");
}

#[tokio::test]
async fn a_call_that_must_not_happen_twice_is_made_once() {
    let instances = [
        Application::start("one").await,
        Application::start("two").await,
    ];
    instances.iter().for_each(Application::fail);
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_document(
        folder.path(),
        "orders.yaml",
        &documents(instances.each_ref()),
    );
    let sidecar = Sidecar::start(Sidecar::options("frontend", folder.path()));
    let sidecar = sidecar.await.expect("the sidecar starts");
    let caller = Caller::connect(sidecar.addresses().outbound).await;

    let reply = call(&caller, "Place").await;

    assert_eq!(reply.grpc_status, "14", "{reply:?}");
    let attempts = r#"outrider_attempts_total{side="outbound",service="orders"}"#;
    assert_eq!(sidecar.admin().metric(attempts).await, 1.0);
}
