//! A gRPC server to measure sidecars with: answers every call with its own message and OK.
//!
//! `backend` takes a free port of the loopback address, prints the address, and serves on one
//! thread until it is killed. Speaks HTTP/2 with prior knowledge through the h2 crate.

use std::error::Error;

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{RecvStream, server};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::{TcpListener, TcpStream};

/// Longest message echoed. Bytes; more is cut off, so that nobody can fill the memory.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        tokio::spawn(async {
            if let Err(error) = serve(socket).await {
                eprintln!("backend: {error}");
            }
        });
    }
}

async fn serve(socket: TcpStream) -> Result<(), h2::Error> {
    let mut connection = server::Builder::new()
        .max_concurrent_streams(1024)
        .handshake(socket)
        .await?;
    while let Some(call) = connection.accept().await {
        let (request, respond) = call?;
        tokio::spawn(async {
            // A caller that left is no matter of ours.
            let _ = echo(request, respond).await;
        });
    }
    Ok(())
}

async fn echo(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let message = whole(request.into_body()).await?;
    let mut head = Response::new(());
    let grpc = HeaderValue::from_static("application/grpc");
    head.headers_mut().insert("content-type", grpc);
    let mut body = respond.send_response(head, false)?;
    body.send_data(message, false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
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
