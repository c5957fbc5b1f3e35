//! An application behind a sidecar: a gRPC server as far as a proxy can tell.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Answers every call with its own request body and `grpc-status: 0`, or with 14 (UNAVAILABLE)
/// after [`Application::fail`].
///
/// The response says who answered (`x-instance`) and what the mesh said of the caller
/// (`x-saw-client-cert`)
/// and of the trace (`x-saw-traceparent`). A call whose path ends in `/Hold` is answered after
/// [`Application::release`], unless its stream is reset before that; one whose path ends in
/// `/Flaky` fails with UNAVAILABLE unless it was tried before. Every answer takes
/// [`Application::delay`]. Of its health it says nothing (UNIMPLEMENTED).
#[derive(Debug)]
pub struct Application {
    /// Where it listens.
    pub address: SocketAddr,
    held: watch::Receiver<usize>,
    reset: watch::Receiver<usize>,
    released: watch::Sender<bool>,
    fails: watch::Sender<bool>,
    delays: watch::Sender<Duration>,
    got: watch::Receiver<usize>,
    accepts: AbortHandle,
}

#[derive(Clone)]
struct Behaviour {
    instance: HeaderValue,
    held: watch::Sender<usize>,
    reset: watch::Sender<usize>,
    released: watch::Receiver<bool>,
    fails: watch::Receiver<bool>,
    delays: watch::Receiver<Duration>,
    got: watch::Sender<usize>,
}

impl Application {
    /// Starts on a free port of 127.0.0.1, on the runtime of the test.
    pub async fn start(instance: &'static str) -> Application {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Application::start_at(free, instance).await
    }

    /// As [`Application::start`], at an address that the test has chosen.
    pub async fn start_at(address: SocketAddr, instance: &'static str) -> Application {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (released, releases) = watch::channel(false);
        let (fails, failing) = watch::channel(false);
        let (delays, delay) = watch::channel(Duration::ZERO);
        let (gets, got) = watch::channel(0);
        let (holds, held) = watch::channel(0);
        let (resets, reset) = watch::channel(0);
        let instance = HeaderValue::from_static(instance);
        let behaviour = Behaviour {
            instance,
            held: holds,
            reset: resets,
            released: releases,
            fails: failing,
            delays: delay,
            got: gets,
        };
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, behaviour.clone()));
            }
        });
        Application {
            address,
            held,
            reset,
            released,
            fails,
            delays,
            got,
            accepts: accepting.abort_handle(),
        }
    }

    /// Listens no more, as one that has died; connections that it has stay, so that no call fails.
    pub fn close(&self) {
        self.accepts.abort();
    }

    /// Returns when `count` calls have been held.
    pub async fn until_held(&mut self, count: usize) {
        let held = self.held.wait_for(|held| *held >= count).await;
        held.expect("the application lives");
    }

    /// Returns when `count` held calls have been reset by the peer.
    pub async fn until_reset(&mut self, count: usize) {
        let reset = self.reset.wait_for(|reset| *reset >= count).await;
        reset.expect("the application lives");
    }

    /// From now on all answers are UNAVAILABLE.
    pub fn fail(&self) {
        self.fails.send_replace(true);
    }

    /// From now on they are OK again.
    pub fn heal(&self) {
        self.fails.send_replace(false);
    }

    /// From now on an answer takes so long.
    pub fn delay(&self, delay: Duration) {
        self.delays.send_replace(delay);
    }

    /// Calls that it got, but for those about its health.
    pub fn calls(&self) -> usize {
        *self.got.borrow()
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
        tokio::select! {
            released = behaviour.released.wait_for(|released| *released) => {
                released.map(drop).unwrap_or_default();
            }
            reset = std::future::poll_fn(|context| respond.poll_reset(context)) => {
                behaviour.reset.send_modify(|count| *count += usize::from(reset.is_ok()));
                return reset.map(drop);
            }
        }
    }
    let health = head.uri.path().starts_with("/grpc.health.v1.Health/");
    if !health {
        behaviour.got.send_modify(|count| *count += 1);
        let delay = *behaviour.delays.borrow();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }
    let tried = head.headers.contains_key("grpc-previous-rpc-attempts");
    let flaky = head.uri.path().ends_with("/Flaky") && !tried;
    let status = match flaky || *behaviour.fails.borrow() {
        _ if health => HeaderValue::from_static("12"),
        true => HeaderValue::from_static("14"),
        false => HeaderValue::from_static("0"),
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
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status);
    stream.send_trailers(trailers)
}
