//! Is the application beside this sidecar there, and does it take calls?
//!
//! Asked anew each time, over a connection of its own: who does not accept one is not there. One
//! that accepts and knows `grpc.health.v1.Health` says more; one that does not is believed to serve.
//! Reference: gRPC Health Checking Protocol.

use std::io::{self, ErrorKind};
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

/// Time-outs in a row after which the application does not serve: one may be a moment's load.
const LATE_MAX: u32 = 3;

/// `ENFILE` and `EMFILE` of errno(3), which have no stable kind.
const NO_DESCRIPTOR: [i32; 2] = [23, 24];

/// What one question found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Serving,
    NotServing,
    /// Nothing came in time.
    Late,
    /// This process or machine could not ask.
    NotAsked,
}

/// Asks for ever; `serving`, which begins as `None`, changes when the answer does.
pub async fn watch(application: SocketAddr, serving: &watch::Sender<Option<bool>>) {
    let mut late = 0;
    loop {
        let seen = ask(application).await;
        let now = judge(seen, *serving.borrow(), &mut late);
        let changed = serving.send_if_modified(|before| std::mem::replace(before, now) != now);
        if changed {
            tracing::info!(%application, serving = now, "the application changed");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Does it serve, after what was believed `before`? `late` counts time-outs in a row.
fn judge(seen: Seen, before: Option<bool>, late: &mut u32) -> Option<bool> {
    *late = match seen {
        Seen::Serving | Seen::NotServing => 0,
        Seen::Late => late.saturating_add(1),
        Seen::NotAsked => *late,
    };
    match seen {
        Seen::Serving => Some(true),
        Seen::NotServing => Some(false),
        // Who never answered is not there yet.
        Seen::Late if *late >= LATE_MAX || before.is_none() => Some(false),
        Seen::Late | Seen::NotAsked => before,
    }
}

/// Does it take calls now?
async fn ask(application: SocketAddr) -> Seen {
    let connected = tokio::time::timeout(TIMEOUT, TcpStream::connect(application)).await;
    let connection = match connected {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return unconnected(&error),
        Err(_) => return Seen::Late,
    };
    let answered = tokio::time::timeout(TIMEOUT, health(connection)).await;
    // No answer, or none of this protocol: it accepted, and that is all there is to know.
    match answered.ok().flatten().unwrap_or(true) {
        true => Seen::Serving,
        false => Seen::NotServing,
    }
}

/// What it says of the application that there is no connection.
fn unconnected(error: &io::Error) -> Seen {
    let no_descriptor = error
        .raw_os_error()
        .is_some_and(|errno| NO_DESCRIPTOR.contains(&errno));
    match error.kind() {
        _ if no_descriptor => Seen::NotAsked,
        ErrorKind::AddrNotAvailable | ErrorKind::WouldBlock => Seen::NotAsked,
        ErrorKind::TimedOut => Seen::Late,
        _ => Seen::NotServing,
    }
}

/// What its health service says of all of it; `None` when it says nothing.
async fn health(connection: TcpStream) -> Option<bool> {
    let mut once = Some(TokioIo::new(connection));
    let connector = service_fn(move |_: Uri| {
        let connection = once.take();
        async move { connection.ok_or_else(|| io::Error::other("the connection has ended")) }
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
        assert_eq!(ask(address).await, Seen::NotServing);
    }

    #[tokio::test]
    async fn who_accepts_and_is_no_grpc_server_serves() {
        let (listener, address) = listener().await;
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                drop(connection);
            }
        });
        assert_eq!(ask(address).await, Seen::Serving);
    }

    #[tokio::test]
    async fn a_health_service_is_believed() {
        let (listener, address) = listener().await;
        let (reporter, service) = tonic_health::server::health_reporter();
        let server = Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        for (said, expected) in [
            (tonic_health::ServingStatus::NotServing, Seen::NotServing),
            (tonic_health::ServingStatus::Serving, Seen::Serving),
        ] {
            reporter.set_service_status("", said).await;
            assert_eq!(ask(address).await, expected, "{said:?}");
        }
    }

    #[tokio::test]
    async fn a_server_without_a_health_service_serves() {
        let (listener, address) = listener().await;
        let server = Server::builder().add_routes(tonic::service::Routes::default());
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        assert_eq!(ask(address).await, Seen::Serving);
    }

    #[test]
    fn only_time_outs_in_a_row_count_and_a_question_not_asked_changes_nothing() {
        use Seen::{Late, NotAsked, NotServing, Serving};
        let (mut late, mut serving) = (0, None);
        for (step, (seen, expected)) in [
            (NotAsked, None),
            (Late, Some(false)),
            (Serving, Some(true)),
            (Late, Some(true)),
            (Late, Some(true)),
            (Serving, Some(true)),
            (Late, Some(true)),
            (NotAsked, Some(true)),
            (Late, Some(true)),
            (Late, Some(false)),
            (NotAsked, Some(false)),
            (Serving, Some(true)),
            (NotServing, Some(false)),
        ]
        .into_iter()
        .enumerate()
        {
            serving = judge(seen, serving, &mut late);
            assert_eq!(serving, expected, "step {step}");
        }
    }

    #[test]
    fn an_error_of_this_machine_says_nothing_of_the_application() {
        for (error, expected) in [
            (io::Error::from_raw_os_error(24), Seen::NotAsked),
            (io::Error::from(ErrorKind::AddrNotAvailable), Seen::NotAsked),
            (io::Error::from(ErrorKind::WouldBlock), Seen::NotAsked),
            (io::Error::from(ErrorKind::TimedOut), Seen::Late),
            (
                io::Error::from(ErrorKind::ConnectionRefused),
                Seen::NotServing,
            ),
        ] {
            assert_eq!(unconnected(&error), expected, "{error}");
        }
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
