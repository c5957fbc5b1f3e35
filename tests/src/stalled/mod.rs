//! Calls that stall, and calls that must not notice.
//!
//! One caller or one handler does not read; victims go on over the same way. Says how long they
//! waited and how much the process grew; what that may be is for who asks.

mod reader;

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::caller::Caller;
use crate::handlers::{Handlers, NARROW_BYTES, WIDE_BYTES};
use crate::hops::{Hops, Way};
use crate::hostile::ground::resident_bytes;
use reader::Reader;

/// Who does not read, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stall {
    /// The caller announces windows of 0 octets and asks for large answers.
    ZeroWindow,
    /// The caller reads its socket, but not the large answers on it.
    UnreadAnswers,
    /// The caller asks for large answers and leaves them in its socket.
    UnreadSocket,
    /// The application's handlers leave large requests unread; its connections hold them all.
    DeafHandlers,
    /// The same, and one such request is as much as a connection of the application holds: other
    /// calls must find other connections.
    DeafNarrowHandlers,
}

impl Stall {
    /// All of them.
    pub const ALL: [Stall; 5] = [
        Stall::ZeroWindow,
        Stall::UnreadAnswers,
        Stall::UnreadSocket,
        Stall::DeafHandlers,
        Stall::DeafNarrowHandlers,
    ];

    /// Whether other calls of the staller's connection can be expected to move: not if it lets
    /// none of its streams have anything, or reads nothing at all.
    fn leaves_its_connection_usable(self) -> bool {
        match self {
            Stall::ZeroWindow | Stall::UnreadSocket => false,
            Stall::UnreadAnswers | Stall::DeafHandlers | Stall::DeafNarrowHandlers => true,
        }
    }

    fn is_upload(self) -> bool {
        match self {
            Stall::ZeroWindow | Stall::UnreadSocket | Stall::UnreadAnswers => false,
            Stall::DeafHandlers | Stall::DeafNarrowHandlers => true,
        }
    }

    /// What a connection of the application holds unread.
    fn application_window_bytes(self) -> u32 {
        match self {
            Stall::DeafNarrowHandlers => NARROW_BYTES,
            Stall::ZeroWindow
            | Stall::UnreadSocket
            | Stall::UnreadAnswers
            | Stall::DeafHandlers => WIDE_BYTES,
        }
    }
}

/// Streams of the staller, as faults.md has them.
pub const STREAMS: [usize; 3] = [4, 30, 90];

/// One situation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// Who does not read.
    pub stall: Stall,
    /// How many of its streams stall.
    pub streams: usize,
    /// What lies between.
    pub hops: Hops,
}

impl Situation {
    /// Every stall with every number of streams over both ways.
    pub fn all() -> Vec<Situation> {
        let of = |stall, hops| {
            STREAMS.map(|streams| Situation {
                stall,
                streams,
                hops,
            })
        };
        let of_stall = |stall| Hops::ALL.into_iter().flat_map(move |hops| of(stall, hops));
        Stall::ALL.into_iter().flat_map(of_stall).collect()
    }

    /// The most octets that the stalled streams' windows come to: one window a stream and sidecar,
    /// and one at the far end, which is in this process, too; and what each sidecar lets windows
    /// grow by in all.
    pub fn windows_bytes(&self) -> usize {
        (self.hops.count() + 1) * self.streams * WINDOW_BYTES + self.hops.count() * GROWTH_BYTES
    }
}

/// How the victims fared.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Time of each call, in order of length.
    pub waits: Vec<Duration>,
    /// What the process grew by, callers and application included. Bytes.
    pub grown_bytes: usize,
}

impl Figures {
    /// The slowest call.
    pub fn slowest(&self) -> Duration {
        self.waits.last().copied().unwrap_or_default()
    }

    /// 99 of 100 calls took no longer.
    pub fn p99(&self) -> Duration {
        let at = self.waits.len().saturating_sub(1) * 99 / 100;
        self.waits.get(at).copied().unwrap_or_default()
    }
}

/// Makes `calls` calls from each victim while streams stall. The first begin with the stall.
///
/// # Errors
/// A call that failed, or was not answered within `patience`.
pub async fn measure(
    situation: Situation,
    calls: usize,
    patience: Duration,
) -> Result<Figures, String> {
    let application = Handlers::start(situation.stall.application_window_bytes()).await;
    let way = Way::start(situation.hops, application.address).await;
    let other = Caller::connect(way.address()).await;
    // Connections are made and windows known before anything is measured.
    call(&other, patience).await?;
    let before = own_bytes();

    let reader = Reader::start(&way, situation.stall).await;
    let stalled = reader.stall(situation.streams);
    let mut waits = Vec::new();
    // The first call meets a stall that is only beginning.
    let first = call(&other, patience).await;
    waits.push(first.map_err(|error| format!("as the stall began: {error}"))?);
    stalled.await;
    application.until_arrived(situation.streams).await;
    let mut victims = vec![other];
    if situation.stall.leaves_its_connection_usable() {
        victims.push(reader.caller());
    }
    for (at, victim) in victims.iter().enumerate() {
        for _ in 0..calls {
            let took = call(victim, patience).await;
            waits.push(took.map_err(|error| format!("{}: {error}", VICTIMS[at]))?);
        }
    }
    waits.sort_unstable();
    Ok(Figures {
        waits,
        grown_bytes: own_bytes().saturating_sub(before),
    })
}

/// One short call; how long it took.
async fn call(victim: &Caller, patience: Duration) -> Result<Duration, String> {
    let started = Instant::now();
    let body = [7; VICTIM_BYTES];
    let reply = timeout(
        patience,
        victim.call("orders", "/shop.v1.Orders/Get", &body),
    )
    .await;
    let reply = reply.map_err(|_| format!("a victim waited for more than {patience:?}"))?;
    let reply = reply.map_err(|error| format!("a victim's call failed: {error}"))?;
    match reply.body == body && reply.grpc_status == "0" {
        true => Ok(started.elapsed()),
        false => Err(format!("a victim got {reply:?}")),
    }
}

/// Memory of this process that is in use.
fn own_bytes() -> usize {
    let bytes = resident_bytes(std::process::id()).unwrap_or_default();
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Which victim, in an error.
const VICTIMS: [&str; 2] = ["on another connection", "on the same connection"];
/// A stream's window at rest, of ours and of h2.
const WINDOW_BYTES: usize = 65_535;
/// What the windows of a worker's streams grow by, at most.
const GROWTH_BYTES: usize = 8 << 20;
/// Request and answer of a victim.
const VICTIM_BYTES: usize = 1_000;
