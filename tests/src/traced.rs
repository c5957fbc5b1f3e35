//! A mesh whose calls are traces: two sidecars with mutual TLS that export to one collector.

use outrider_daemon::Options;
use tempfile::TempDir;
use tonic::transport::Uri;

use crate::{Application, Authority, Caller, Reply, Sidecar, write_document};

/// A frontend, and orders with its application.
#[derive(Debug)]
pub struct TracedMesh {
    /// The caller's sidecar.
    pub frontend: Sidecar,
    /// The callee's.
    pub orders: Sidecar,
    _folders: [TempDir; 3],
}

/// The documents: orders at `address` with `tls`, and one method that may be retried.
pub fn traced_documents(address: &str, tls: &str, sample_percent: u32) -> String {
    format!(
        "apiVersion: outrider.dev/v1
kind: Mesh
metadata: {{ name: mesh }}
spec: {{ tracing: {{ samplePercent: {sample_percent} }} }}
---
apiVersion: outrider.dev/v1
kind: Service
metadata: {{ name: orders }}
spec:
  tls: {tls}
  grpcServices: [shop.v1.Orders]
  endpoints: {{ static: [ {{ address: \"{address}\" }} ] }}
---
apiVersion: outrider.dev/v1
kind: TrafficPolicy
metadata: {{ name: orders }}
spec:
  targetRefs: [ {{ kind: Service, name: orders }} ]
  methods: [ {{ name: shop.v1.Orders/Flaky, unary: true, idempotent: true }} ]
"
    )
}

impl TracedMesh {
    /// Starts both; of the traces that begin here `sample_percent` are sent to `collector`.
    pub async fn start(collector: &Uri, sample_percent: u32) -> TracedMesh {
        let application = Application::start("one").await;
        let authority = Authority::new();
        let folders = [(); 3].map(|()| tempfile::tempdir().expect("a temporary folder"));
        let [shared, of_orders, of_frontend] = &folders;
        let say = |address: &str| {
            let text = traced_documents(address, "mesh", sample_percent);
            write_document(shared.path(), "mesh.yaml", &text);
        };
        say("127.0.0.1:1");
        let orders = Sidecar::start(Options {
            app: Some(application.address),
            identity: Some(authority.issue(of_orders.path(), "orders")),
            otlp: Some(collector.clone()),
            ..Sidecar::options("orders", shared.path())
        });
        let orders = orders.await.expect("orders starts");
        let inbound = orders.addresses().inbound.expect("it has an application");
        say(&inbound.to_string());
        let frontend = Sidecar::start(Options {
            identity: Some(authority.issue(of_frontend.path(), "frontend")),
            otlp: Some(collector.clone()),
            ..Sidecar::options("frontend", shared.path())
        });
        TracedMesh {
            frontend: frontend.await.expect("frontend starts"),
            orders,
            _folders: folders,
        }
    }

    /// A call of `shop.v1.Orders/METHOD` through both.
    pub async fn call(&self, method: &str) -> Reply {
        let caller = Caller::connect(self.frontend.addresses().outbound).await;
        let path = format!("/shop.v1.Orders/{method}");
        let reply = caller.call("orders", &path, b"hello").await;
        reply.expect("a response")
    }

    /// Ends both, which exports what waits.
    pub async fn end(self) {
        for sidecar in [self.frontend, self.orders] {
            sidecar.stop();
            sidecar.join().await.expect("it ends well");
        }
    }
}
