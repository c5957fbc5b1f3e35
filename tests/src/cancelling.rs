//! Many calls on one connection, of which some are cancelled in bursts and some go past their
//! deadline: what callers do in life, and what must never end a connection.

mod ends;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{Method, Request};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::caller::Caller;
use crate::handlers::{Handlers, NARROW_BYTES};
use crate::hops::{Hops, Way};

/// Calls of one burst: so many are cancelled together, and so many go past their deadline.
pub const BURST: usize = 100;
/// Calls that begin with each burst: a tenth of them is the burst, a tenth is late.
const ROUND: usize = 10 * BURST;
/// Calls at once, besides the burst and the late ones.
const AT_ONCE: usize = 64;
/// The deadline of the calls that go past it.
const SHORT: &str = "20m";

/// How many calls ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Answered by the application.
    pub answered: usize,
    /// Cancelled by the caller.
    pub cancelled: usize,
    /// DEADLINE_EXCEEDED.
    pub late: usize,
    /// Calls of these that a sidecar refused to begin, for the number of calls or of resets.
    pub refused: usize,
    /// Connections that the application saw; all live.
    pub application_connections: usize,
    /// Connections between the sidecars; all live. 0 where there is one sidecar.
    pub connections_between: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} answered, {} cancelled in bursts of {BURST}, {} past their deadline, {} refused; of 1 \
             connection of the caller, {} between sidecars and {} to the application none ended",
            self.answered,
            self.cancelled,
            self.late,
            self.refused,
            self.connections_between,
            self.application_connections
        )
    }
}

/// Makes `calls` calls, in rounds of 1,000, over one connection of the caller.
///
/// # Errors
/// The first call that ended otherwise than it should, or that a connection ended or was told to go:
/// the caller's, one between sidecars, or one to the application.
pub async fn run(hops: Hops, calls: usize) -> Result<Tally, String> {
    let application = Arc::new(Handlers::start(NARROW_BYTES).await);
    let way = Way::start(hops, application.address).await;
    let socket = TcpStream::connect(way.address()).await;
    let socket = socket.map_err(|error| error.to_string())?;
    let _ = socket.set_nodelay(true);
    let made = h2::client::Builder::new()
        .max_local_error_reset_streams(None)
        .handshake(socket)
        .await;
    let (requests, connection) = made.map_err(|error| error.to_string())?;
    let mut connection = tokio::spawn(connection);
    let mut tally = Tally::default();
    for round in 0..calls.div_ceil(ROUND) {
        let (answered, cancelled, late) = tokio::join!(
            answered(&requests, ROUND - 2 * BURST),
            cancelled(&requests, &application, Burst::of(round)),
            late(&requests),
        );
        tally.answered += answered?;
        tally.cancelled += cancelled?;
        tally.late += late?;
        still_open(&mut connection).await?;
    }
    ends::none(&way, &application, &mut tally).await?;
    Ok(tally)
}

/// A connection that was told to go ends only when its streams have; a new one on it would fail.
async fn still_open(connection: &mut JoinHandle<Result<(), h2::Error>>) -> Result<(), String> {
    let ended = std::future::poll_fn(|context| match Pin::new(&mut *connection).poll(context) {
        Poll::Ready(ended) => Poll::Ready(Some(ended)),
        Poll::Pending => Poll::Ready(None),
    });
    match ended.await {
        None => Ok(()),
        Some(how) => Err(format!("the caller's connection ended: {how:?}")),
    }
}

/// When a burst of calls is cancelled.
#[derive(Clone, Copy)]
enum Burst {
    /// While they are on their way.
    AtOnce,
    /// When the application has them.
    Arrived,
}

impl Burst {
    fn of(round: usize) -> Burst {
        match round % 2 {
            0 => Burst::Arrived,
            _ => Burst::AtOnce,
        }
    }
}

/// Calls that are to be answered.
async fn answered(requests: &SendRequest<Bytes>, count: usize) -> Result<usize, String> {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut calls = Vec::with_capacity(count);
    for _ in 0..count {
        let (room, caller) = (Arc::clone(&room), Caller::over(requests.clone()));
        calls.push(tokio::spawn(async move {
            let _place = room.acquire().await;
            caller.call("orders", "/shop.v1.Orders/Get", b"hello").await
        }));
    }
    for call in calls {
        let reply = call.await.map_err(|error| error.to_string())?;
        let reply = reply.map_err(|error| format!("a call failed: {error}"))?;
        if reply.grpc_status != "0" || reply.body != b"hello" {
            return Err(format!("a call was to be answered: {reply:?}"));
        }
    }
    Ok(count)
}

/// Calls that are cancelled together.
async fn cancelled(
    requests: &SendRequest<Bytes>,
    application: &Handlers,
    burst: Burst,
) -> Result<usize, String> {
    let before = application.arrived();
    let mut calls = Vec::with_capacity(BURST);
    for _ in 0..BURST {
        let ready = requests.clone().ready().await;
        let mut requests = ready.map_err(|error| format!("no new call: {error}"))?;
        let begun = requests.send_request(deaf(None), false);
        calls.push(begun.map_err(|error| format!("no new call: {error}"))?);
    }
    match burst {
        Burst::AtOnce => tokio::task::yield_now().await,
        Burst::Arrived => application.until_arrived(before + BURST).await,
    }
    drop(calls);
    Ok(BURST)
}

/// Calls that nobody answers before their deadline.
async fn late(requests: &SendRequest<Bytes>) -> Result<usize, String> {
    let call = |requests: SendRequest<Bytes>| async move {
        let mut requests = requests.ready().await?;
        let (response, _stream) = requests.send_request(deaf(Some(SHORT)), true)?;
        response.await
    };
    let calls: Vec<_> = (0..BURST)
        .map(|_| tokio::spawn(call(requests.clone())))
        .collect();
    for call in calls {
        let ended = call.await.map_err(|error| error.to_string())?;
        let head = ended.map_err(|error| format!("a late call failed: {error}"))?;
        let status = head.headers().get("grpc-status");
        if status.is_none_or(|status| status != "4") {
            return Err(format!("a late call ended with {:?}", head.headers()));
        }
    }
    Ok(BURST)
}

/// A call that the application holds.
fn deaf(timeout: Option<&str>) -> Request<()> {
    let request = Request::builder()
        .method(Method::POST)
        .uri("http://orders/shop.v1.Orders/Deaf")
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let request = timeout.into_iter().fold(request, |request, timeout| {
        request.header("grpc-timeout", timeout)
    });
    request.body(()).expect("a request")
}

/// Longest that a number of calls may take in a build without optimisation, on a busy machine.
pub fn patience(calls: usize) -> Duration {
    Duration::from_secs(60) + Duration::from_millis(5) * u32::try_from(calls).unwrap_or(u32::MAX)
}
