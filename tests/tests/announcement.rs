//! The promise: an application is announced as soon as it takes calls, and while it is not, operators
//! find the reason at its sidecar and at the control plane.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use outrider_daemon::Options;
use outrider_proto::v1::StatusRequest;
use outrider_tests::{Application, Mesh, Reserved, Sidecar, call_orders};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};
use tonic::transport::Server;
use tonic::{Code, Status};

/// Longest any of this may take; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Life of a certificate where it does not matter. Seconds.
const DAY: u64 = 86_400;

/// Applications that start, one after the other, at one address. No more: who changes more than five
/// times in 10 s waits.
const STARTS: usize = 3;

/// From listening to the first answer, of the median start; the figure, 100 ms at the 99th
/// percentile, is measured by `mesh first-answer` of `outrider-bench` on a machine that is quiet.
const SOON: Duration = Duration::from_millis(400);

async fn beside(mesh: &Mesh, application: SocketAddr) -> Sidecar {
    let options = Options {
        app: Some(application),
        ..mesh.member("orders", "orders").await
    };
    Sidecar::start(options).await.expect("the sidecar starts")
}

async fn in_time<T>(what: &str, doing: impl Future<Output = T>) -> T {
    let done = timeout(PATIENCE, doing).await;
    done.unwrap_or_else(|_| panic!("never: {what}"))
}

/// Returns when `/readyz?verbose` of the sidecar says so, which is ready all the time.
async fn until_said(sidecar: &Sidecar, words: &str) {
    let admin = sidecar.admin();
    let said = admin.until("/readyz?verbose", |status, page| {
        status == 200 && page.starts_with("ok\n") && page.contains(words)
    });
    in_time(words, said).await;
}

/// Returns when the control plane's status of orders is one that `holds`.
async fn until_status(mesh: &Mesh, what: &str, holds: impl Fn(&Value) -> bool) {
    let mut operator = mesh.operator().await;
    let held = async {
        loop {
            let status = operator.status(StatusRequest {}).await.expect("a status");
            let status: Value = serde_json::from_str(&status.into_inner().json).expect("JSON");
            let services = status["services"].as_array().cloned();
            let services = services.unwrap_or_default();
            if services
                .iter()
                .any(|it| it["name"] == "orders" && holds(it))
            {
                return;
            }
        }
    };
    in_time(what, held).await;
}

/// What listens at the application's address.
#[derive(Clone, Copy)]
enum Listens {
    /// A web server of HTTP/1.1.
    Web,
    /// One that closes what it accepts.
    Closing,
    /// One that accepts, and says nothing.
    Silent,
    /// A server whose health service answers so.
    Health(tonic_health::ServingStatus),
    /// A server whose health service fails so.
    Failing(Code),
}

async fn serve(listener: TcpListener, listens: Listens) {
    let mut kept = Vec::new();
    while let Ok((connection, _)) = listener.accept().await {
        match listens {
            Listens::Web => drop(tokio::spawn(refuse(connection))),
            Listens::Closing => {}
            Listens::Silent => kept.push(connection),
            Listens::Health(status) => drop(tokio::spawn(say(connection, Ok(status)))),
            Listens::Failing(code) => drop(tokio::spawn(say(connection, Err(code)))),
        }
    }
}

async fn refuse(mut connection: TcpStream) -> io::Result<()> {
    connection
        .write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
        .await
}

async fn say(connection: TcpStream, answer: Result<tonic_health::ServingStatus, Code>) {
    let (reporter, health) = tonic_health::server::health_reporter();
    if let Ok(status) = answer {
        reporter.set_service_status("", status).await;
    }
    let health = tonic::service::interceptor::InterceptedService::new(health, move |request| {
        answer
            .map(|_| request)
            .map_err(|code| Status::new(code, "no database"))
    });
    let one = tokio_stream::once(Ok::<_, io::Error>(connection));
    // Ends when the sidecar closes the connection.
    let _ = Server::builder()
        .add_service(health)
        .serve_with_incoming(one)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reason_stands_at_the_sidecar_and_at_the_control_plane() {
    use tonic_health::ServingStatus::{NotServing, Serving, Unknown};
    let mesh = Mesh::start(DAY).await;
    let reserved = Reserved::take();
    let sidecar = beside(&mesh, reserved.address).await;
    let reason = "is not there: no process listens";
    until_said(&sidecar, reason).await;
    let because = |it: &Value, reason: &str| {
        let said = it["unready"][0]["because"].as_str().unwrap_or_default();
        said.contains(reason) && it["endpoints"] == serde_json::json!([])
    };
    until_status(&mesh, reason, |it| because(it, reason)).await;
    let cases = [
        (Listens::Web, "says `HTTP/1.1 400 Bad Request`"),
        (Listens::Health(NotServing), "says NOT_SERVING at"),
        (Listens::Health(Unknown), "says UNKNOWN at"),
        (
            Listens::Failing(Code::Unavailable),
            "Unavailable no database",
        ),
        (Listens::Closing, "closes connections"),
        (Listens::Silent, "does not answer within 1 s"),
    ];
    for (listens, reason) in cases {
        let listener = TcpListener::bind(reserved.address).await;
        let listening = tokio::spawn(serve(listener.expect("it is free"), listens));
        until_said(&sidecar, reason).await;
        until_status(&mesh, reason, |it| because(it, reason)).await;
        listening.abort();
        // Its end: the address is free again.
        let _ = listening.await;
    }
    for listens in [
        Listens::Health(Serving),
        Listens::Failing(Code::Unauthenticated),
    ] {
        let listener = TcpListener::bind(reserved.address).await;
        let listening = tokio::spawn(serve(listener.expect("it is free"), listens));
        until_said(&sidecar, "is announced at").await;
        let is_endpoint = |it: &Value| {
            it["unready"] == serde_json::json!([]) && it["endpoints"][0]["state"] == "live"
        };
        until_status(&mesh, "an endpoint", is_endpoint).await;
        listening.abort();
        let _ = listening.await;
        until_said(&sidecar, "no process listens").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_starts_late_or_again_is_announced_at_once() {
    let mesh = Mesh::start(DAY).await;
    let reserved = Reserved::take();
    let sidecar = beside(&mesh, reserved.address).await;
    let frontend = mesh.frontend().await;
    let mut spans = Vec::new();
    for _ in 0..STARTS {
        until_said(&sidecar, "no process listens").await;
        let listens = Instant::now();
        let application = Application::start_at(reserved.address, "late").await;
        let reply = in_time("an answer", call_orders(&frontend)).await;
        assert_eq!(reply.grpc_status, "0", "{reply:?}");
        spans.push(listens.elapsed());
        application.close();
    }
    spans.sort();
    assert!(spans[STARTS / 2] < SOON, "{spans:?}");
}
