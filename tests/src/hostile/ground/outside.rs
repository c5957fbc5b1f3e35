//! What is seen of a proxy from outside while somebody is hostile: does it live, how much memory
//! does it take, what does a well-behaved client on another connection feel.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep};

use super::proxy::Proxy;
use super::victim::{Felt, Victim, fresh_connection};
use crate::raw::Door;

/// What was seen.
#[derive(Debug)]
pub struct Outside {
    /// The process lives.
    pub lives: bool,
    /// Most memory over that before. Octets.
    pub growth_at_peak: u64,
    /// Memory over that before, one second after. Octets.
    pub growth_after: u64,
    /// Descriptors open beyond those before, one second after.
    pub descriptors_left: usize,
    /// What a well-behaved client on another connection felt.
    pub felt: Felt,
    /// Time to the first answer on a fresh connection right after; an error if there was none.
    pub fresh: Result<Duration, String>,
}

/// Time between two looks at the memory.
const SAMPLE: Duration = Duration::from_millis(5);

impl Outside {
    /// Looks on while `hostilities` last; others call the service `authority` through `door`
    /// meanwhile.
    pub async fn of<T>(
        proxy: &mut Proxy,
        door: impl Into<Door>,
        authority: &str,
        hostilities: impl Future<Output = T>,
    ) -> (T, Outside) {
        let door = door.into();
        let (before, descriptors) = (proxy.resident_bytes(), proxy.descriptors());
        let victim = Victim::start(door.clone(), authority);
        let (ended, peak) = peak_during(proxy, hostilities).await;
        let felt = victim.stop().await;
        let fresh = fresh_connection(door, authority).await;
        sleep(Duration::from_secs(1)).await;
        let outside = Outside {
            lives: proxy.lives(),
            growth_at_peak: peak.saturating_sub(before),
            growth_after: proxy.resident_bytes().saturating_sub(before),
            descriptors_left: proxy.descriptors().saturating_sub(descriptors),
            felt,
            fresh,
        };
        (ended, outside)
    }

    /// What CI holds against us: it lives, nobody else failed or waited for 2 s, and memory is
    /// bounded. One sentence for each promise that is broken.
    pub fn complaints(&self) -> Vec<String> {
        let failures = self.felt.failures.iter();
        let failures = failures.map(|why| format!("another client failed: {why}"));
        let rules = [
            (self.lives, "the process ended".to_owned()),
            (
                self.growth_at_peak <= PEAK_BYTES_MAX,
                format!("memory grew by {} octets", self.growth_at_peak),
            ),
            (
                self.gave_descriptors_back(),
                format!("{} descriptors stay open", self.descriptors_left),
            ),
            (
                self.felt.slowest() <= WAIT_MAX,
                format!("another client waited for {:?}", self.felt.slowest()),
            ),
            (
                !self.felt.times.is_empty(),
                "nobody else was served".to_owned(),
            ),
            (
                self.fresh.as_ref().is_ok_and(|took| *took <= WAIT_MAX),
                format!("a new connection: {:?}", self.fresh),
            ),
        ];
        let broken = rules.into_iter().filter(|(holds, _)| !holds);
        failures.chain(broken.map(|(_, what)| what)).collect()
    }

    /// Are the descriptors back? A pool that keeps more of them is no fault in other proxies.
    pub fn gave_descriptors_back(&self) -> bool {
        self.descriptors_left <= DESCRIPTORS_LEFT_MAX
    }
}

/// Most growth at the peak. Octets. The 8,000 streams that the own application may have open at once cost
/// some 9 MiB when nothing is said on them, and their records some 3 MiB when all end together.
pub const PEAK_BYTES_MAX: u64 = 16 << 20;
/// Most descriptors that stay open. Connections to the backend are kept for the next call, and 1,024
/// calls at once take eleven of them.
const DESCRIPTORS_LEFT_MAX: usize = 16;
/// Longest wait of others in CI, where the machine is busy.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// The most memory until `work` is over. Octets.
async fn peak_during<T>(proxy: &Proxy, work: impl Future<Output = T>) -> (T, u64) {
    let mut ticks = interval(SAMPLE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut peak = 0;
    let mut work = Box::pin(work);
    loop {
        tokio::select! {
            ended = &mut work => return (ended, proxy.resident_bytes().max(peak)),
            _ = ticks.tick() => peak = proxy.resident_bytes().max(peak),
        }
    }
}
