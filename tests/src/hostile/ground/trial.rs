//! One class against one proxy, looked at from outside: does it live, how much memory does it take,
//! what does a well-behaved client on another connection feel.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::proxy::Proxy;
use super::victim::{Felt, Victim, fresh_connection};
use crate::hostile::{Class, Target};

/// What was seen.
#[derive(Debug)]
pub struct Trial {
    /// The class.
    pub name: &'static str,
    /// How many forms were run.
    pub forms: usize,
    /// Forms that did not end as we expect of ourselves: name, and what happened.
    pub broken: Vec<(&'static str, String)>,
    /// The process lives.
    pub lives: bool,
    /// Most memory over that before. Octets.
    pub growth_at_peak: u64,
    /// Memory over that before, one second after the last form. Octets.
    pub growth_after: u64,
    /// What a well-behaved client on another connection felt.
    pub felt: Felt,
    /// Time to the first answer on a fresh connection right after; an error if there was none.
    pub fresh: Result<Duration, String>,
    /// Time of all forms together.
    pub took: Duration,
}

/// Time between two looks at the memory.
const SAMPLE: Duration = Duration::from_millis(5);
/// Longest that one form may take.
const FORM_MAX: Duration = Duration::from_secs(40);

impl Trial {
    /// Runs all forms of a class, one after the other.
    pub async fn run(proxy: &mut Proxy, target: &Target, class: &Class) -> Trial {
        let before = proxy.resident_bytes();
        let mut peak = before;
        let victim = Victim::start(target.address, &target.authority);
        let began = Instant::now();
        let mut broken = Vec::new();
        for (index, form) in class.forms.iter().enumerate() {
            let ended = watched(proxy, &mut peak, (class.run)(target.clone(), index)).await;
            if let Err(why) = ended {
                broken.push((*form, why));
            }
        }
        let took = began.elapsed();
        let felt = victim.stop().await;
        let fresh = fresh_connection(target.address, &target.authority).await;
        sleep(Duration::from_secs(1)).await;
        Trial {
            name: class.name,
            forms: class.forms.len(),
            broken,
            lives: proxy.lives(),
            growth_at_peak: peak - before,
            growth_after: proxy.resident_bytes().saturating_sub(before),
            felt,
            fresh,
            took,
        }
    }

    /// What CI holds against us: it lives, as expected, nobody else failed or waited for 2 s, and
    /// memory is bounded. One sentence for each promise that is broken.
    pub fn complaints(&self) -> Vec<String> {
        let forms = self
            .broken
            .iter()
            .map(|(form, why)| format!("{form}: {why}"));
        let failures = self
            .felt
            .failures
            .iter()
            .map(|why| format!("another client failed: {why}"));
        let mut complaints: Vec<String> = forms.chain(failures).collect();
        let mut must = |holds: bool, complaint: String| {
            if !holds {
                complaints.push(complaint);
            }
        };
        must(self.lives, "the process ended".to_owned());
        must(
            self.growth_at_peak <= PEAK_BYTES_MAX,
            format!("memory grew by {} octets", self.growth_at_peak),
        );
        must(
            self.felt.slowest() <= WAIT_MAX,
            format!("another client waited for {:?}", self.felt.slowest()),
        );
        must(
            !self.felt.times.is_empty(),
            "nobody else was served".to_owned(),
        );
        match &self.fresh {
            Ok(took) => must(
                *took <= WAIT_MAX,
                format!("a new connection waited for {took:?}"),
            ),
            Err(why) => must(false, format!("a new connection was not served: {why}")),
        }
        complaints
    }
}

/// Most growth at the peak. Octets.
pub const PEAK_BYTES_MAX: u64 = 16 << 20;
/// Longest wait of others in CI, where the machine is busy.
const WAIT_MAX: Duration = Duration::from_secs(2);

async fn watched(
    proxy: &Proxy,
    peak: &mut u64,
    form: impl Future<Output = Result<(), String>>,
) -> Result<(), String> {
    let mut ticks = interval(SAMPLE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut form = Box::pin(tokio::time::timeout(FORM_MAX, form));
    loop {
        tokio::select! {
            ended = &mut form => {
                *peak = proxy.resident_bytes().max(*peak);
                return ended.unwrap_or_else(|_| Err(format!("not over after {FORM_MAX:?}")));
            }
            _ = ticks.tick() => *peak = proxy.resident_bytes().max(*peak),
        }
    }
}
