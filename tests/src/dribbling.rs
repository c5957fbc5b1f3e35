//! Callers who dribble their requests an octet at a time to handlers that do not read, at an endpoint
//! that ends a connection with too many small frames unread (the h2 crate, as tonic sets it up).

use std::time::Duration;

use crate::caller::Caller;
use crate::handlers::{Handlers, NARROW_BYTES};
use crate::hops::{Hops, Way};
use crate::raw::{Frame, Peer, Sent, grpc_request};

/// What tonic gives a connection. Half of it is what small frames may weigh, 256 octets less what each
/// carries: 2,056 of one octet.
const WINDOW_BYTES: u32 = 1 << 20;
/// Octets that are dribbled in all.
const OCTETS: usize = 6_000;
/// Calls of others meanwhile.
const CALLS: usize = 60;

/// How an endpoint fares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Endpoint {
    /// It bears all that comes: no connection to it ends, or is added.
    Wide,
    /// It has the window that every connection begins with, so 127 small frames end a connection. The
    /// calls that dribble may end so; others are not on their connection by then.
    Narrow,
}

/// Dribbles over so many streams of one connection, each octet a frame that is written alone, while
/// another caller calls.
///
/// # Errors
/// A call of the other failed, or a connection to the endpoint ended.
pub async fn run(hops: Hops, streams: usize, endpoint: Endpoint) -> Result<(), String> {
    let application = Handlers::start(match endpoint {
        Endpoint::Wide => WINDOW_BYTES,
        Endpoint::Narrow => NARROW_BYTES,
    });
    let application = application.await;
    let way = Way::start(hops, application.address).await;
    let peer = Peer::greet(way.address(), &[]).await;
    let mut peer = peer.map_err(|error| error.to_string())?;
    let ids: Vec<u32> = (0..streams).map(|at| 2 * at as u32 + 1).collect();
    for id in &ids {
        let block = grpc_request("orders", "/shop.v1.Orders/Deaf");
        peer.send(&Frame::headers(*id, 0, block.octets())).await;
    }
    application.until_arrived(streams).await;
    let caller = Caller::connect(way.address()).await;
    call(&caller).await?;
    let connections = application.connections();
    for at in 0..OCTETS {
        let octet = Frame::data(ids[at % streams], 0, b"x").encode();
        if peer.send_reading(&octet).await != Sent::All && endpoint == Endpoint::Wide {
            return Err(format!(
                "the caller that dribbles was cut off after {at} octets"
            ));
        }
        tokio::task::yield_now().await;
        if at % (OCTETS / CALLS) == 0 {
            call(&caller).await?;
        }
    }
    call(&caller).await?;
    match application.connections() {
        made if made == connections || endpoint == Endpoint::Narrow => Ok(()),
        made => Err(format!(
            "{made} connections to the endpoint were made, not {connections}"
        )),
    }
}

async fn call(caller: &Caller) -> Result<(), String> {
    let call = caller.call("orders", "/shop.v1.Orders/Get", b"hello");
    let reply = tokio::time::timeout(Duration::from_secs(10), call).await;
    let reply = reply.map_err(|_| "a call of another hangs".to_owned())?;
    let reply = reply.map_err(|error| format!("a call of another failed: {error}"))?;
    match reply.grpc_status.as_str() {
        "0" if reply.body == b"hello" => Ok(()),
        _ => Err(format!("a call of another was not answered: {reply:?}")),
    }
}
