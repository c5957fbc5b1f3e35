//! An application behind a sidecar: a gRPC server as far as a proxy can tell.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Answers every call with its own request body and `grpc-status: 0`.
///
/// The response says who answered (`x-instance`) and what the mesh said of the caller
/// (`x-saw-client-cert`)
/// and of the trace (`x-saw-traceparent`). A call whose path ends in `/Hold` is answered after
/// [`Application::release`]; one whose path ends in `/Flaky` fails with UNAVAILABLE unless it was
/// tried before.
#[derive(Debug)]
pub struct Application {
    /// Where it listens.
    pub address: SocketAddr,
    held: watch::Receiver<usize>,
    released: watch::Sender<bool>,
}

#[derive(Clone)]
struct Behaviour {
    instance: HeaderValue,
    held: watch::Sender<usize>,
    released: watch::Receiver<bool>,
}

impl Application {
    /// Starts on a free port of 127.0.0.1, on the runtime of the test.
    pub async fn start(instance: &'static str) -> Application {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (released, releases) = watch::channel(false);
        let (holds, held) = watch::channel(0);
        let instance = HeaderValue::from_static(instance);
        let behaviour = Behaviour {
            instance,
            held: holds,
            released: releases,
        };
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, behaviour.clone()));
            }
        });
        Application {
            address,
            held,
            released,
        }
    }

    /// Returns when `count` calls have been held.
    pub async fn until_held(&mut self, count: usize) {
        let held = self.held.wait_for(|held| *held >= count).await;
        held.expect("the application lives");
    }

    /// Lets all held calls go on, and those that come later.
    pub fn release(&self) {
        self.released.send_replace(true);
    }
}

async fn serve(socket: TcpStream, behaviour: Behaviour) {
    let Ok(mut connection) = h2::server::handshake(socket).await else {
        return;
    };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let behaviour = behaviour.clone();
        // A caller that goes away is the test's business, not the application's.
        tokio::spawn(async move { answer(request, respond, behaviour).await.ok() });
    }
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    mut behaviour: Behaviour,
) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    if head.uri.path().ends_with("/Hold") {
        behaviour.held.send_modify(|held| *held += 1);
        let released = behaviour.released.wait_for(|released| *released).await;
        released.map(drop).unwrap_or_default();
    }
    let tried = head.headers.contains_key("grpc-previous-rpc-attempts");
    let code = match head.uri.path().ends_with("/Flaky") && !tried {
        true => "14",
        false => "0",
    };
    let mut response = Response::new(());
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("application/grpc"));
    response
        .headers_mut()
        .insert("x-instance", behaviour.instance);
    if let Some(caller) = head.headers.get("x-forwarded-client-cert") {
        response
            .headers_mut()
            .insert("x-saw-client-cert", caller.clone());
    }
    if let Some(trace) = head.headers.get("traceparent") {
        response
            .headers_mut()
            .insert("x-saw-traceparent", trace.clone());
    }
    let mut stream = respond.send_response(response, false)?;
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        stream.send_data(chunk, false)?;
    }
    let status = HeaderMap::from_iter(
        [("grpc-status".parse().ok(), HeaderValue::from_static(code))]
            .into_iter()
            .filter_map(|(name, value)| Some((name?, value))),
    );
    stream.send_trailers(status)
}
