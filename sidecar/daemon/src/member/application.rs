//! Is the application beside this sidecar there, and does it take calls?
//!
//! Asked anew each time, over a connection of its own: who does not accept one is not there. One
//! that accepts and knows `grpc.health.v1.Health` says more; one that does not is believed to serve.
//! Reference: gRPC Health Checking Protocol.

use std::net::SocketAddr;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tonic::transport::{Endpoint, Uri};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tower::service_fn;

/// Time between two questions. 1 s: a third of what a lease forgives.
const INTERVAL: Duration = Duration::from_secs(1);

/// Longest wait for the connection, and for the answer.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Asks for ever; `serving`, which begins as `None`, changes when the answer does.
pub async fn watch(application: SocketAddr, serving: &watch::Sender<Option<bool>>) {
    loop {
        let now = is_serving(application).await;
        let changed = serving.send_if_modified(|before| before.replace(now) != Some(now));
        if changed {
            tracing::info!(%application, serving = now, "the application changed");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Does it take calls now?
async fn is_serving(application: SocketAddr) -> bool {
    let connected = tokio::time::timeout(TIMEOUT, TcpStream::connect(application)).await;
    let Ok(Ok(connection)) = connected else {
        return false;
    };
    let answered = tokio::time::timeout(TIMEOUT, health(connection)).await;
    // No answer, or none of this protocol: it accepted, and that is all there is to know.
    answered.ok().flatten().unwrap_or(true)
}

/// What its health service says of all of it; `None` when it says nothing.
async fn health(connection: TcpStream) -> Option<bool> {
    let mut once = Some(TokioIo::new(connection));
    let connector = service_fn(move |_: Uri| {
        let connection = once.take();
        async move { connection.ok_or_else(|| std::io::Error::other("the connection has ended")) }
    });
    let endpoint = Endpoint::from_static("http://localhost");
    let channel = endpoint.connect_with_connector(connector).await.ok()?;
    let question = HealthCheckRequest {
        service: String::new(),
    };
    let answer = HealthClient::new(channel).check(question).await.ok()?;
    Some(answer.into_inner().status() == ServingStatus::Serving)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;
    use tokio_stream::wrappers::TcpListenerStream;
    use tonic::transport::Server;

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        (listener, address)
    }

    #[tokio::test]
    async fn nobody_there_is_not_serving() {
        let (gone, address) = listener().await;
        drop(gone);
        assert!(!is_serving(address).await);
    }

    #[tokio::test]
    async fn who_accepts_and_is_no_grpc_server_serves() {
        let (listener, address) = listener().await;
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                drop(connection);
            }
        });
        assert!(is_serving(address).await);
    }

    #[tokio::test]
    async fn a_health_service_is_believed() {
        let (listener, address) = listener().await;
        let (reporter, service) = tonic_health::server::health_reporter();
        let server = Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        for (said, expected) in [
            (tonic_health::ServingStatus::NotServing, false),
            (tonic_health::ServingStatus::Serving, true),
        ] {
            reporter.set_service_status("", said).await;
            assert_eq!(is_serving(address).await, expected, "{said:?}");
        }
    }

    #[tokio::test]
    async fn a_server_without_a_health_service_serves() {
        let (listener, address) = listener().await;
        let server = Server::builder().add_routes(tonic::service::Routes::default());
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        assert!(is_serving(address).await);
    }

    #[tokio::test]
    async fn a_change_is_told_at_the_next_question() {
        let (gone, address) = listener().await;
        let (told, mut serving) = watch::channel(Some(true));
        drop(gone);
        tokio::spawn(async move { watch(address, &told).await });
        let changed = serving.wait_for(|serving| *serving == Some(false)).await;
        assert!(changed.is_ok());
    }
}
