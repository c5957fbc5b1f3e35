//! Hostile backends: the closed list, and what a caller may see of them.
//!
//! A form is what a backend does to whoever connects to it. Its caller gets a gRPC status within the
//! deadline, never a success; the call is not tried again unless the backend said that it never began;
//! and when a good backend stands at the same place, it is served again.

mod floods;
mod frames;
mod greetings;
mod messages;
mod script;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::tap::Seen;
use crate::caller::Caller;
pub use script::Form;

/// All forms.
pub fn all() -> Vec<Form> {
    [
        greetings::FORMS,
        messages::FORMS,
        frames::FORMS,
        floods::FORMS,
    ]
    .concat()
}

/// A backend's place behind a proxy.
#[derive(Debug)]
pub struct Place {
    /// The proxy's plaintext HTTP/2 port.
    pub proxy: SocketAddr,
    /// Authority of the service at `listener`.
    pub authority: String,
    /// Where the proxy expects the backend.
    pub listener: TcpListener,
}

/// What callers saw.
#[derive(Clone, Debug)]
pub struct Endured {
    /// `grpc-status` of the first call.
    pub status: String,
    /// Requests that reached the backend of that call, which was alone.
    pub requests: u64,
    /// The slowest call to the hostile backend.
    pub slowest: Duration,
    /// Time until a good backend at the same place had served a call.
    pub recovered: Duration,
}

/// The callers' deadline.
pub const DEADLINE: Duration = Duration::from_millis(500);
/// As DEADLINE, for `grpc-timeout`.
const DEADLINE_TEXT: &str = "500m";
/// Forms that say of a call that it never began, by REFUSED_STREAM or by a GOAWAY that ends below it:
/// it may be tried again, whatever it does (RFC 9113 8.7).
const NEVER_BEGAN: [&str; 6] = [
    "reset-refused-stream",
    "goaway-first",
    "goaway-0",
    "goaway-0-and-close",
    "goaway-with-decreasing-ids",
    "goaway-with-increasing-ids",
];
/// Calls at once to the hostile backend, behind the first.
const CALLS: usize = 3;
/// Longest time until a good backend is served again.
pub const RECOVERY_MAX: Duration = Duration::from_secs(5);
/// Between two looks whether it is.
const PACE: Duration = Duration::from_millis(20);

/// Runs one form; `late_max` is what a status may come behind its deadline.
///
/// # Errors
/// How the proxy failed its callers.
pub async fn run(form: Form, place: Place, late_max: Duration) -> Result<Endured, String> {
    let (goodness, is_good) = watch::channel(false);
    let seen = Arc::<Seen>::default();
    let stands = stand(place.listener, form, Arc::clone(&seen), is_good);
    let _backend = Backend(tokio::spawn(stands));
    let caller = Caller::connect(place.proxy).await;
    let (status, slowest) = refused_call(&caller, &place.authority, late_max).await?;
    let requests = seen.attack_heads().await;
    if requests > 1 && !NEVER_BEGAN.contains(&form.name) {
        return Err(format!("{requests} requests of a call that may have begun"));
    }
    let mut calls = JoinSet::new();
    for _ in 0..CALLS {
        let (caller, authority) = (caller.clone(), place.authority.clone());
        calls.spawn(async move { refused_call(&caller, &authority, late_max).await });
    }
    let mut endured = Endured {
        status,
        requests,
        slowest,
        recovered: Duration::ZERO,
    };
    while let Some(ended) = calls.join_next().await {
        let (_, took) = ended.map_err(|error| error.to_string())??;
        endured.slowest = endured.slowest.max(took);
    }
    goodness.send_replace(true);
    endured.recovered = recovery(&caller, &place.authority, late_max).await?;
    Ok(endured)
}

struct Backend(tokio::task::JoinHandle<()>);

impl Drop for Backend {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A call that must not succeed.
async fn refused_call(
    caller: &Caller,
    authority: &str,
    late_max: Duration,
) -> Result<(String, Duration), String> {
    match one_call(caller, authority, late_max).await? {
        (status, _) if status == "0" => Err("a success".to_owned()),
        refused => Ok(refused),
    }
}

/// Status and time of one call.
async fn one_call(
    caller: &Caller,
    authority: &str,
    late_max: Duration,
) -> Result<(String, Duration), String> {
    let began = Instant::now();
    let headers = [("grpc-timeout", DEADLINE_TEXT)];
    let called = caller.call_with(authority, "/hostile.Backend/Call", b"hello", &headers);
    let reply = timeout(DEADLINE + late_max, called).await;
    let reply = reply.map_err(|_| format!("no status {late_max:?} after the deadline"))?;
    let reply = reply.map_err(|error| format!("no status: {error}"))?;
    match reply.grpc_status.as_str() {
        "" => Err(format!("an answer without a status: {:?}", reply.headers)),
        status => Ok((status.to_owned(), began.elapsed())),
    }
}

async fn recovery(
    caller: &Caller,
    authority: &str,
    late_max: Duration,
) -> Result<Duration, String> {
    let began = Instant::now();
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = String::new();
    while began.elapsed() < RECOVERY_MAX {
        pace.tick().await;
        match one_call(caller, authority, late_max).await {
            Ok((status, _)) if status == "0" => return Ok(began.elapsed()),
            Ok((status, _)) => last = format!("status {status}"),
            Err(why) => last = why,
        }
    }
    Err(format!("not served again within {RECOVERY_MAX:?}: {last}"))
}

/// Hostile until it is good; then what was hostile is gone, connections included.
async fn stand(
    listener: TcpListener,
    form: Form,
    seen: Arc<Seen>,
    mut is_good: watch::Receiver<bool>,
) {
    let mut hostile = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => hostile.spawn(script::play(form, socket, Arc::clone(&seen))),
                Err(_) => return,
            },
            turned = is_good.wait_for(|good| *good) => {
                drop(turned);
                break;
            }
        };
    }
    hostile.shutdown().await;
    while let Ok((socket, _)) = listener.accept().await {
        hostile.spawn(serve(socket));
    }
}

/// Answers every call with `grpc-status: 0`.
async fn serve(socket: TcpStream) {
    let Ok(mut connection) = h2::server::handshake(socket).await else {
        return;
    };
    while let Some(Ok((_, mut respond))) = connection.accept().await {
        let mut head = Response::new(());
        let grpc = HeaderValue::from_static("application/grpc");
        head.headers_mut().insert("content-type", grpc);
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        if let Ok(mut stream) = respond.send_response(head, false) {
            let _ = stream.send_data(Bytes::from_static(&[0; 5]), false);
            let _ = stream.send_trailers(trailers);
        }
    }
}
