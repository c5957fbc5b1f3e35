//! The promise: a real Jaeger shows a retried call as one trace, with every hop and every attempt in
//! its place.
//!
//! Jaeger is the binary that `tests/install-peers.sh` builds; without it the test says so and
//! passes, unless `OUTRIDER_REQUIRE_TOOLS=1`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use outrider_tests::TracedMesh;
use outrider_tests::tools::{self, free_address};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest any of this may take; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Listeners of Jaeger that nobody here asks; each gets a free port.
const OTHER_LISTENERS: [&str; 5] = [
    "--admin.http.host-port",
    "--collector.grpc-server.host-port",
    "--collector.http-server.host-port",
    "--collector.otlp.http.host-port",
    "--query.grpc-server.host-port",
];

/// A running Jaeger. Killed when dropped.
struct Jaeger {
    child: Child,
    otlp: SocketAddr,
    query: SocketAddr,
}

impl Drop for Jaeger {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Jaeger {
    fn start(program: &PathBuf) -> Jaeger {
        let (otlp, query) = (free_address(), free_address());
        let mut command = Command::new(program);
        command.arg(format!("--collector.otlp.grpc.host-port={otlp}"));
        command.arg(format!("--query.http-server.host-port={query}"));
        for listener in OTHER_LISTENERS {
            command.arg(format!("{listener}={}", free_address()));
        }
        command.args([
            "--http-server.host-port=127.0.0.1:0",
            "--processor.jaeger-binary.server-host-port=127.0.0.1:0",
            "--processor.jaeger-compact.server-host-port=127.0.0.1:0",
            "--processor.zipkin-compact.server-host-port=127.0.0.1:0",
        ]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("jaeger starts");
        Jaeger { child, otlp, query }
    }

    /// The spans of a trace, as soon as there are `count`.
    async fn trace(&self, id: &str, count: usize) -> Vec<Value> {
        loop {
            let page = get(self.query, &format!("/api/traces/{id}")).await;
            let spans = page["data"][0]["spans"].as_array();
            if let Some(spans) = spans.filter(|spans| spans.len() >= count) {
                return spans.clone();
            }
            tokio::task::yield_now().await;
        }
    }
}

/// A page of Jaeger's query API; `Null` while it does not answer with JSON.
async fn get(address: SocketAddr, path: &str) -> Value {
    let Ok(mut socket) = TcpStream::connect(address).await else {
        return Value::Null;
    };
    // HTTP/1.0: the answer comes in one piece and ends with the connection.
    let request = format!("GET {path} HTTP/1.0\r\n\r\n");
    let mut answer = String::new();
    let asked = socket.write_all(request.as_bytes()).await;
    if asked.is_err() || socket.read_to_string(&mut answer).await.is_err() {
        return Value::Null;
    }
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).unwrap_or_default()
}

#[tokio::test]
async fn jaeger_shows_every_hop_and_every_attempt_of_a_retried_call() {
    let Some(program) = tools::wanted("bin/jaeger-all-in-one") else {
        return;
    };
    let jaeger = Jaeger::start(&program);
    let listening = async {
        while TcpStream::connect(jaeger.otlp).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, listening)
        .await
        .expect("jaeger listens");
    let url = format!("http://{}", jaeger.otlp).parse().expect("a URL");
    let mesh = TracedMesh::start(&url, 100).await;
    let reply = mesh.call("Flaky").await;
    mesh.end().await;
    let told = reply.headers["x-saw-traceparent"].to_str().expect("text");
    let id = told.split('-').nth(1).expect("a trace id");
    let spans = tokio::time::timeout(PATIENCE, jaeger.trace(id, 5)).await;
    assert_eq!(children(&spans.expect("the trace comes")), expected());
}

/// For each span, as `kind name status`: those of its parent, in order.
fn children(spans: &[Value]) -> Vec<(String, String)> {
    let said = |span: &Value| {
        let tag = |key: &str| {
            let tags = span["tags"].as_array().into_iter().flatten();
            let found = tags.into_iter().find(|tag| tag["key"] == key);
            found
                .and_then(|tag| tag["value"].as_str())
                .unwrap_or("?")
                .to_owned()
        };
        let name = span["operationName"].as_str().unwrap_or("?");
        format!(
            "{} {name} {}",
            tag("span.kind"),
            tag("rpc.response.status_code")
        )
    };
    let by_id: BTreeMap<&str, String> = spans
        .iter()
        .filter_map(|span| Some((span["spanID"].as_str()?, said(span))))
        .collect();
    let parent = |span: &Value| {
        let id = span["references"][0]["spanID"].as_str();
        id.and_then(|id| by_id.get(id)).cloned().unwrap_or_default()
    };
    let mut all: Vec<_> = spans
        .iter()
        .map(|span| (said(span), parent(span)))
        .collect();
    all.sort();
    all
}

fn expected() -> Vec<(String, String)> {
    let (call, failed, served) = (
        "client shop.v1.Orders/Flaky OK",
        "client shop.v1.Orders/Flaky attempt UNAVAILABLE",
        "client shop.v1.Orders/Flaky attempt OK",
    );
    let pairs = [
        (call, ""),
        (served, call),
        (failed, call),
        ("server shop.v1.Orders/Flaky OK", served),
        ("server shop.v1.Orders/Flaky UNAVAILABLE", failed),
    ];
    pairs
        .map(|(span, parent)| (span.to_owned(), parent.to_owned()))
        .into()
}
