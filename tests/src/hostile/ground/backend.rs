//! The good backend: answers as asked, and never loses patience with the proxy itself.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::{TcpListener, TcpStream};

use crate::hostile::tap::{Seen, Tap};

/// A gRPC server as far as a proxy can tell. What it does is in the last part of the path: `Echo`
/// answers with the request's body, `Large` with 1 MiB, `Hold` not until it is reset, and `Deaf`
/// does not read the body either. A path that ends in a slash is answered as plain HTTP, with 4 KiB:
/// h2spec looks at how DATA of it is cut.
#[derive(Debug)]
pub struct Backend {
    /// Where it listens.
    pub address: SocketAddr,
    /// What reached it.
    pub seen: Arc<Seen>,
}

/// Octets of the answer of `Large`.
pub const LARGE_BYTES: usize = 1 << 20;

impl Backend {
    /// Starts on a free port of 127.0.0.1, on the current runtime.
    pub async fn start() -> Backend {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::<Seen>::default();
        let counted = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&counted)));
            }
        });
        Backend { address, seen }
    }
}

async fn serve(socket: TcpStream, seen: Arc<Seen>) {
    // Head and trailers go out in two pieces; the second must not wait for the first one's receipt.
    let _ = socket.set_nodelay(true);
    // The h2 crate has limits on resets of its own, which would end what is to be measured.
    let handshake = Builder::new()
        .max_pending_accept_reset_streams(usize::MAX)
        .max_local_error_reset_streams(None)
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 30)
        .handshake(Tap::new(socket, Arc::clone(&seen)))
        .await;
    let Ok(mut connection) = handshake else {
        return;
    };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let seen = Arc::clone(&seen);
        if request.uri().path().contains("Victim") {
            seen.note_victim();
        }
        tokio::spawn(async move {
            if answer(request, respond).await.is_ok() {
                seen.note_answered();
            }
        });
    }
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    let method = head.uri.path().rsplit('/').next().unwrap_or_default();
    if matches!(method, "Hold" | "Deaf") {
        std::future::poll_fn(|context| respond.poll_reset(context)).await?;
        return Err(Reason::CANCEL.into());
    }
    if method.is_empty() {
        return answer_plainly(body, respond).await;
    }
    let mut response = Response::new(());
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", grpc);
    let mut stream = respond.send_response(response, false)?;
    if method == "Large" {
        stream.send_data(Bytes::from_static(&[b'x'; LARGE_BYTES]), false)?;
    }
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        stream.send_data(chunk, false)?;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    stream.send_trailers(trailers)
}

async fn answer_plainly(
    mut body: RecvStream,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    while let Some(chunk) = body.data().await {
        body.flow_control().release_capacity(chunk?.len())?;
    }
    let mut stream = respond.send_response(Response::new(()), false)?;
    stream.send_data(Bytes::from_static(&[b'x'; 4_096]), true)
}
