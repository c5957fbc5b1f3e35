//! An application with large answers, and with handlers that do not read.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, SendResponse};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// The window of a connection that holds those of all its streams.
pub(crate) const WIDE_BYTES: u32 = 64 << 20;
/// The window of a connection as every peer begins with it (RFC 9113 6.9.2).
pub(crate) const NARROW_BYTES: u32 = 65_535;
/// Octets of a large answer.
pub(crate) const LARGE_BYTES: usize = 1 << 20;

/// `/Large` is answered with 1 MiB, as fast as the windows let it go; `/Deaf` is never read; all
/// else is answered with its own request. Ends when dropped.
pub(crate) struct Handlers {
    pub(crate) address: SocketAddr,
    arrived: watch::Receiver<usize>,
    connections: watch::Receiver<usize>,
    accepts: AbortHandle,
}

impl Handlers {
    /// Starts on a free port of 127.0.0.1; each connection may hold `window_bytes` unread.
    pub(crate) async fn start(window_bytes: u32) -> Handlers {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (arrives, arrived) = watch::channel(0);
        let (connects, connections) = watch::channel(0);
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let _ = socket.set_nodelay(true);
                connects.send_modify(|connections| *connections += 1);
                tokio::spawn(serve(socket, window_bytes, arrives.clone()));
            }
        });
        Handlers {
            address,
            arrived,
            connections,
            accepts: accepting.abort_handle(),
        }
    }

    /// Returns when `count` calls of `/Large` and `/Deaf` have arrived since the start.
    pub(crate) async fn until_arrived(&self, count: usize) {
        let mut arrived = self.arrived.clone();
        let all = arrived.wait_for(|arrived| *arrived >= count);
        all.await.expect("the application lives");
    }

    /// Calls of `/Large` and `/Deaf` that have arrived since the start.
    pub(crate) fn arrived(&self) -> usize {
        *self.arrived.borrow()
    }

    /// Connections since the start.
    pub(crate) fn connections(&self) -> usize {
        *self.connections.borrow()
    }
}

impl Drop for Handlers {
    fn drop(&mut self) {
        self.accepts.abort();
    }
}

/// Serves one connection until it ends.
async fn serve(socket: TcpStream, window_bytes: u32, arrives: watch::Sender<usize>) {
    // h2 ends a connection after 20 resets of calls that nobody looked at yet, or 1,024 in its
    // life; here that would be the application's doing.
    let handshake = Builder::new()
        .max_pending_accept_reset_streams(usize::MAX)
        .max_local_error_reset_streams(None)
        .initial_connection_window_size(window_bytes)
        .handshake(socket);
    let Ok(mut connection) = handshake.await else {
        return;
    };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let arrives = arrives.clone();
        tokio::spawn(async move { answer(request, respond, arrives).await.ok() });
    }
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    arrives: watch::Sender<usize>,
) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    let path = head.uri.path();
    if path.ends_with("/Deaf") {
        arrives.send_modify(|arrived| *arrived += 1);
        // Holds the body, unread, until the caller goes.
        let reset = std::future::poll_fn(|context| respond.poll_reset(context)).await;
        drop(body);
        return reset.map(drop);
    }
    let mut response = Response::new(());
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("application/grpc"));
    let mut stream = respond.send_response(response, false)?;
    if path.ends_with("/Large") {
        arrives.send_modify(|arrived| *arrived += 1);
        send(&mut stream, Bytes::from_static(&[1; LARGE_BYTES])).await?;
    }
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        send(&mut stream, chunk).await?;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    stream.send_trailers(trailers)
}

/// Sends no more than the window takes, so that nothing waits in memory here.
async fn send(stream: &mut h2::SendStream<Bytes>, mut bytes: Bytes) -> Result<(), h2::Error> {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        let Some(room) = std::future::poll_fn(|context| stream.poll_capacity(context)).await else {
            return Ok(());
        };
        let piece = bytes.split_to(room?.min(bytes.len()));
        stream.send_data(piece, false)?;
    }
    Ok(())
}
