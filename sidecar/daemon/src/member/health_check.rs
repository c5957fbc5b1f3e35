//! One question to the application: does it take calls now?
//!
//! Over a connection of its own: who does not accept one is not there. One that knows
//! `grpc.health.v1.Health` says more; one that does not, and speaks HTTP/2, is believed to serve.
//! Reference: gRPC Health Checking Protocol; RFC 9113, 3.4 (a server's first frame is SETTINGS).

use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::transport::{Endpoint, Uri};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tower::service_fn;

use super::application_health::Absence;

/// Longest wait for the connection, for the answer, and for the first frame. 1 s.
pub const TIMEOUT: Duration = Duration::from_secs(1);

/// `ENFILE` and `EMFILE` of errno(3), which have no stable kind.
const NO_DESCRIPTOR: [i32; 2] = [23, 24];

/// A client's first octets: the preface, and SETTINGS that change nothing.
const CLIENT_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The head of a frame. Octets.
const FRAME_HEAD: usize = 9;

/// Most of a stranger's first line, or of an error's text, that is repeated. Octets.
const SHOWN_MAX: usize = 60;

/// What one question found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckResult {
    /// It takes calls.
    Serving,
    /// It surely takes none.
    Absent(Absence),
    /// It seems to take none, which may be a moment's load.
    Doubtful(Absence),
    /// This process or machine could not ask.
    NotAsked,
}

/// Does it take calls now?
pub async fn check(application: SocketAddr) -> CheckResult {
    let connection = match timeout(TIMEOUT, TcpStream::connect(application)).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return unconnected(&error),
        Err(_) => return CheckResult::Doubtful(Absence::Silent),
    };
    // The question is two frames: the second is not to wait for an acknowledgement of the first.
    // Fails when the connection has ended, which the question finds.
    let _ = connection.set_nodelay(true);
    let answered = timeout(TIMEOUT, health(connection)).await;
    match answered.ok().flatten() {
        Some(Ok(status)) => from_serving_status(status),
        Some(Err(status)) => from_error(&status),
        None => probe_http2(application).await,
    }
}

/// What it says of the application that there is no connection.
fn unconnected(error: &io::Error) -> CheckResult {
    let no_descriptor = error
        .raw_os_error()
        .is_some_and(|errno| NO_DESCRIPTOR.contains(&errno));
    match error.kind() {
        _ if no_descriptor => CheckResult::NotAsked,
        ErrorKind::AddrNotAvailable | ErrorKind::WouldBlock => CheckResult::NotAsked,
        ErrorKind::TimedOut => CheckResult::Doubtful(Absence::Silent),
        ErrorKind::ConnectionRefused => CheckResult::Absent(Absence::NotListening),
        _ => CheckResult::Absent(Absence::Unreachable(error.to_string())),
    }
}

/// What its health service says of all of it; `None` when no gRPC server has answered.
async fn health(connection: TcpStream) -> Option<Result<ServingStatus, Status>> {
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
    match HealthClient::new(channel).check(question).await {
        Ok(answer) => Some(Ok(answer.into_inner().status())),
        // What has a cause was made here, of a connection or a stream that broke.
        Err(status) => status.source().is_none().then_some(Err(status)),
    }
}

fn from_serving_status(status: ServingStatus) -> CheckResult {
    match status {
        ServingStatus::Serving => CheckResult::Serving,
        ServingStatus::Unknown | ServingStatus::NotServing | ServingStatus::ServiceUnknown => {
            CheckResult::Absent(Absence::NotServing(status.as_str_name()))
        }
    }
}

/// It answers, but not what was asked. Who has no health service, or keeps it from us, or does not
/// speak of the whole server, says nothing of its health; any other error is one, as for gRPC's own
/// health checking of clients.
fn from_error(status: &Status) -> CheckResult {
    match status.code() {
        Code::Unimplemented | Code::NotFound | Code::Unauthenticated | Code::PermissionDenied => {
            CheckResult::Serving
        }
        code => {
            let message = shown(status.message().as_bytes());
            CheckResult::Doubtful(Absence::Failed(code, message))
        }
    }
}

/// It accepts connections and says nothing of its health: does it speak HTTP/2?
async fn probe_http2(application: SocketAddr) -> CheckResult {
    let mut first = Vec::with_capacity(SHOWN_MAX);
    let ended = timeout(TIMEOUT, first_octets(application, &mut first)).await;
    match (recognize(&first), ended) {
        (Some(result), _) => result,
        (None, Ok(_)) => CheckResult::Doubtful(Absence::Closed),
        (None, Err(_)) => CheckResult::Doubtful(Absence::Silent),
    }
}

/// Reads until there is the head of a frame, and what came with it.
async fn first_octets(application: SocketAddr, first: &mut Vec<u8>) -> io::Result<()> {
    let mut connection = TcpStream::connect(application).await?;
    connection.write_all(CLIENT_PREFACE).await?;
    while first.len() < FRAME_HEAD {
        if connection.read_buf(first).await? == 0 {
            break;
        }
    }
    Ok(())
}

/// What a peer is that says this first; `None`: it said nothing.
fn recognize(first: &[u8]) -> Option<CheckResult> {
    // Length, type, flags, stream; the record of an alert or of a handshake in TLS.
    match first {
        [] => None,
        [_, _, _, 0x04, _, 0, 0, 0, 0, ..] => Some(CheckResult::Serving),
        [0x15 | 0x16, 0x03, ..] => Some(CheckResult::Absent(Absence::Tls)),
        _ => Some(CheckResult::Absent(Absence::Foreign(shown(first)))),
    }
}

/// The first line, made harmless.
fn shown(text: &[u8]) -> String {
    let line = text.split(|octet| b"\r\n".contains(octet)).next();
    let line = line.unwrap_or_default();
    line[..line.len().min(SHOWN_MAX)].escape_ascii().to_string()
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
    async fn where_no_process_listens_nothing_serves() {
        let (gone, address) = listener().await;
        drop(gone);
        assert_eq!(
            check(address).await,
            CheckResult::Absent(Absence::NotListening)
        );
    }

    #[tokio::test]
    async fn another_program_at_the_port_is_not_the_application() {
        let http = "HTTP/1.1 400 Bad Request\r\nserver: other\r\n\r\n";
        let line = || "HTTP/1.1 400 Bad Request".to_owned();
        let cases: [(&[u8], CheckResult); 4] = [
            (
                http.as_bytes(),
                CheckResult::Absent(Absence::Foreign(line())),
            ),
            (
                b"+\x1b[2J",
                CheckResult::Absent(Absence::Foreign("+\\x1b[2J".to_owned())),
            ),
            (
                b"\x15\x03\x01\0\x02\x02\x16",
                CheckResult::Absent(Absence::Tls),
            ),
            (b"", CheckResult::Doubtful(Absence::Closed)),
        ];
        for (says, expected) in cases {
            let (listener, address) = listener().await;
            tokio::spawn(async move {
                while let Ok((mut connection, _)) = listener.accept().await {
                    let mut request = [0; 24];
                    let _ = connection.read_exact(&mut request).await;
                    let _ = connection.write_all(says).await;
                }
            });
            assert_eq!(check(address).await, expected);
        }
    }

    #[tokio::test]
    async fn a_program_that_says_nothing_is_silent() {
        let (_listener, address) = listener().await;
        assert_eq!(check(address).await, CheckResult::Doubtful(Absence::Silent));
    }

    #[tokio::test]
    async fn a_health_service_is_believed() {
        let (listener, address) = listener().await;
        let (reporter, service) = tonic_health::server::health_reporter();
        let server = Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        let not_serving = CheckResult::Absent(Absence::NotServing("NOT_SERVING"));
        for (said, expected) in [
            (tonic_health::ServingStatus::NotServing, not_serving),
            (tonic_health::ServingStatus::Serving, CheckResult::Serving),
        ] {
            reporter.set_service_status("", said).await;
            assert_eq!(check(address).await, expected, "{said:?}");
        }
    }

    #[tokio::test]
    async fn a_server_without_a_health_service_serves() {
        let (listener, address) = listener().await;
        let server = Server::builder().add_routes(tonic::service::Routes::default());
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        assert_eq!(check(address).await, CheckResult::Serving);
    }

    #[test]
    fn an_error_of_the_health_service_is_one_unless_it_only_says_nothing() {
        let failed = |code| {
            CheckResult::Doubtful(Absence::Failed(
                code,
                "the database\\xe2\\x80\\x99s".to_owned(),
            ))
        };
        for (code, expected) in [
            (Code::Unimplemented, CheckResult::Serving),
            (Code::NotFound, CheckResult::Serving),
            (Code::Unauthenticated, CheckResult::Serving),
            (Code::PermissionDenied, CheckResult::Serving),
            (Code::Unavailable, failed(Code::Unavailable)),
            (Code::Internal, failed(Code::Internal)),
        ] {
            let status = Status::new(code, "the database’s\nsecond line");
            assert_eq!(from_error(&status), expected, "{code:?}");
        }
    }

    #[test]
    fn an_error_of_this_machine_says_nothing_of_the_application() {
        let silent = CheckResult::Doubtful(Absence::Silent);
        let not_listening = CheckResult::Absent(Absence::NotListening);
        for (error, expected) in [
            (io::Error::from_raw_os_error(24), CheckResult::NotAsked),
            (
                io::Error::from(ErrorKind::AddrNotAvailable),
                CheckResult::NotAsked,
            ),
            (
                io::Error::from(ErrorKind::WouldBlock),
                CheckResult::NotAsked,
            ),
            (io::Error::from(ErrorKind::TimedOut), silent),
            (io::Error::from(ErrorKind::ConnectionRefused), not_listening),
        ] {
            assert_eq!(unconnected(&error), expected, "{error}");
        }
    }
}
