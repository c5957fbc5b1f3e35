//! A gRPC server to measure sidecars with: answers every call with its own message and OK.
//!
//! `backend` takes a free port of the loopback address, prints the address, and serves on one
//! thread until it is killed. Speaks HTTP/2 with prior knowledge through the h2 crate. Lines of its
//! standard input change how it answers: `usual MS` all calls from then on, `slow-once MS` and
//! `fail-once` the next one.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{RecvStream, server};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

/// Longest message echoed. Bytes; more is cut off, so that nobody can fill the memory.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let behaviour = Arc::new(watch::Sender::new(Behaviour::default()));
    tokio::spawn(obey(Arc::clone(&behaviour)));
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let behaviour = Arc::clone(&behaviour);
        tokio::spawn(async {
            if let Err(error) = serve(socket, behaviour).await {
                eprintln!("backend: {error}");
            }
        });
    }
}

/// How calls are answered.
#[derive(Clone, Copy, Default)]
struct Behaviour {
    /// What an answer takes.
    usual: Duration,
    /// What the next one does instead.
    once: Option<Once>,
}

#[derive(Clone, Copy)]
enum Once {
    Slow(Duration),
    /// UNAVAILABLE.
    Fail,
}

/// Does what the lines of standard input say, until it ends.
async fn obey(behaviour: Arc<watch::Sender<Behaviour>>) {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let (word, number) = line.split_once(' ').unwrap_or((&line, ""));
        let span = number.parse().map(Duration::from_millis);
        behaviour.send_modify(|behaviour| match (word, span) {
            ("usual", Ok(span)) => behaviour.usual = span,
            ("slow-once", Ok(span)) => behaviour.once = Some(Once::Slow(span)),
            ("fail-once", _) => behaviour.once = Some(Once::Fail),
            _ => eprintln!("backend: {line:?} is not known"),
        });
    }
}

async fn serve(
    socket: TcpStream,
    behaviour: Arc<watch::Sender<Behaviour>>,
) -> Result<(), h2::Error> {
    let mut connection = server::Builder::new()
        .max_concurrent_streams(1024)
        .handshake(socket)
        .await?;
    while let Some(call) = connection.accept().await {
        let (request, respond) = call?;
        let mut next = Behaviour::default();
        behaviour.send_modify(|behaviour| {
            next = *behaviour;
            behaviour.once = None;
        });
        tokio::spawn(async move {
            // A caller that left is no matter of ours.
            let _ = echo(request, respond, next).await;
        });
    }
    Ok(())
}

async fn echo(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    Behaviour { usual, once }: Behaviour,
) -> Result<(), h2::Error> {
    let message = whole(request.into_body()).await?;
    let (span, status) = match once {
        None => (usual, "0"),
        Some(Once::Slow(span)) => (span, "0"),
        Some(Once::Fail) => (Duration::ZERO, "14"),
    };
    if !span.is_zero() {
        sleep(span).await;
    }
    let mut head = Response::new(());
    let grpc = HeaderValue::from_static("application/grpc");
    head.headers_mut().insert("content-type", grpc);
    let mut body = respond.send_response(head, false)?;
    body.send_data(message, false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    body.send_trailers(trailers)
}

async fn whole(mut body: RecvStream) -> Result<Bytes, h2::Error> {
    let mut message = BytesMut::new();
    while let Some(part) = body.data().await {
        let part = part?;
        body.flow_control().release_capacity(part.len())?;
        let room = MESSAGE_BYTES_MAX - message.len();
        message.extend_from_slice(&part[..part.len().min(room)]);
    }
    Ok(message.freeze())
}
