//! A well-behaved client on a connection of its own: calls one after the other, each timed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::hostile::call;
use crate::raw::{Door, Peer};

/// A client at work; [`Victim::stop`] says what it felt.
#[derive(Debug)]
pub struct Victim {
    is_over: Arc<AtomicBool>,
    task: JoinHandle<Felt>,
}

/// What a well-behaved client felt.
#[derive(Clone, Debug, Default)]
pub struct Felt {
    /// Time of each call that ended well, ascending.
    pub times: Vec<Duration>,
    /// Why calls failed.
    pub failures: Vec<String>,
}

/// Longest a call may take before it counts as failed.
const CALL_MAX: Duration = Duration::from_secs(5);
/// Between the beginnings of calls, if they are fast enough.
const PACE: Duration = Duration::from_millis(2);

impl Victim {
    /// Begins to call the service `authority` through the proxy behind `door`.
    pub fn start(door: impl Into<Door>, authority: &str) -> Victim {
        let door = door.into();
        let is_over = Arc::<AtomicBool>::default();
        let stop = Arc::clone(&is_over);
        let authority = authority.to_owned();
        let task = tokio::spawn(async move {
            let mut felt = Felt::default();
            while !stop.load(Relaxed) {
                if let Err(why) = calls(&door, &authority, &stop, &mut felt).await {
                    felt.failures.push(why);
                }
            }
            felt.times.sort_unstable();
            felt
        });
        Victim { is_over, task }
    }

    /// Ends it after its present call.
    pub async fn stop(self) -> Felt {
        self.is_over.store(true, Relaxed);
        self.task.await.unwrap_or_else(|error| Felt {
            failures: vec![format!("the client broke: {error}")],
            ..Felt::default()
        })
    }
}

/// Calls on one connection until it is over, or a call fails.
async fn calls(
    door: &Door,
    authority: &str,
    stop: &AtomicBool,
    felt: &mut Felt,
) -> Result<(), String> {
    let greeted = timeout(CALL_MAX, Peer::greet(door.clone(), &[])).await;
    let greeted = greeted.map_err(|_| "no greeting")?;
    let mut peer = greeted.map_err(|error| format!("no connection: {error}"))?;
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for stream in (1..1_000_000).step_by(2) {
        if stop.load(Relaxed) {
            break;
        }
        pace.tick().await;
        let began = Instant::now();
        call(
            &mut peer,
            stream,
            authority,
            "/hostile.Victim/Echo",
            CALL_MAX,
        )
        .await?;
        felt.times.push(began.elapsed());
    }
    Ok(())
}

impl Felt {
    /// The 99th percentile; 0 without calls.
    pub fn p99(&self) -> Duration {
        let index = (self.times.len() * 99).div_ceil(100).saturating_sub(1);
        self.times.get(index).copied().unwrap_or_default()
    }

    /// The slowest.
    pub fn slowest(&self) -> Duration {
        self.times.last().copied().unwrap_or_default()
    }
}

/// Time from a new connection to the end of its first call.
///
/// # Errors
/// It was not served.
pub async fn fresh_connection(door: impl Into<Door>, authority: &str) -> Result<Duration, String> {
    let began = Instant::now();
    let greeted = timeout(CALL_MAX, Peer::greet(door, &[])).await;
    let greeted = greeted.map_err(|_| "no greeting".to_owned())?;
    let mut peer = greeted.map_err(|error| format!("no connection: {error}"))?;
    call(&mut peer, 1, authority, "/hostile.Victim/Echo", CALL_MAX).await?;
    Ok(began.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_99th_percentile_of_200_is_the_198th() {
        let felt = Felt {
            times: (1..=200).map(Duration::from_millis).collect(),
            failures: Vec::new(),
        };
        assert_eq!(felt.p99(), Duration::from_millis(198));
        assert_eq!(Felt::default().p99(), Duration::ZERO);
    }
}
