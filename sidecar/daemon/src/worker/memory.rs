//! The memory of the process, and how near its limit one worker believes it to be.
//!
//! What is counted is anonymous resident memory: what the process itself holds and the system cannot
//! take back (proc(5), `statm`: resident less shared). Socket buffers are the kernel's and not
//! counted. Decides nothing: thresholds and hysteresis are `policy`'s. Each worker looks for itself,
//! so that no queue stands between a measurement and what follows from it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};
use outrider_policy::{LoadShedding, MemoryRules, Pressure, Tick};

/// While there is work, memory is looked at so often. A look costs 2 us, and a worker takes in a few
/// MiB at most meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Under pressure an idle worker looks so often.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// So long after a turn, what it freed goes back to the system at the latest. An idle worker wakes up
/// for it once.
const GIVE_BACK_EVERY: Duration = Duration::from_millis(250);

/// The same under pressure: refused work frees little, and what is free counts as used until then.
const GIVE_BACK_AGAIN: Duration = Duration::from_millis(20);

/// Bytes of a page where the system does not say.
const PAGE_BYTES_USUAL: u64 = 4 << 10;

/// Longest text of `statm`: seven numbers.
const STATM_BYTES_MAX: usize = 160;

/// What the process may use and does use. Copies are the same.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// `None`: no limit, or no way to measure.
    limited: Option<Limited>,
}

#[derive(Clone, Debug)]
struct Limited {
    rules: MemoryRules,
    statm: Arc<File>,
    page_bytes: u64,
}

impl Memory {
    /// Of this process, with so many bytes as its limit. With or without one it uses no transparent
    /// huge pages from now on: each is 2 MiB where 4 KiB are needed. Measured: hostile
    /// clients made it grow by 6 MiB where it needs 1, and it kept them.
    pub fn new(limit_bytes: Option<u64>) -> Memory {
        turn_huge_pages_off();
        let Some(limit_bytes) = limit_bytes.filter(|limit| *limit > 0) else {
            return Memory::default();
        };
        let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
        match File::open("/proc/self/statm") {
            Ok(statm) => {
                tracing::info!(limit_bytes, "memory limit");
                let limited = Limited {
                    rules: MemoryRules { limit_bytes },
                    statm: Arc::new(statm),
                    page_bytes: page.map_or(PAGE_BYTES_USUAL, |page| page.unsigned_abs()),
                };
                Memory {
                    limited: Some(limited),
                }
            }
            Err(error) => {
                tracing::warn!(%error, limit_bytes, "memory cannot be measured here: its limit is not held");
                Memory::default()
            }
        }
    }

    /// The limit; 0 without one.
    pub fn limit_bytes(&self) -> u64 {
        let limited = self.limited.as_ref();
        limited.map_or(0, |limited| limited.rules.limit_bytes)
    }

    /// What is in use; 0 without a limit.
    pub fn used_bytes(&self) -> u64 {
        self.limited.as_ref().map_or(0, Limited::used_bytes)
    }
}

/// A refusal costs nothing but precision: the kernel may know none.
#[cfg(target_os = "linux")]
fn turn_huge_pages_off() {
    if let Err(error) = nix::sys::prctl::set_thp_disable(true) {
        tracing::debug!(%error, "transparent huge pages stay on");
    }
}

#[cfg(not(target_os = "linux"))]
fn turn_huge_pages_off() {}

impl Limited {
    fn used_bytes(&self) -> u64 {
        let mut text = [0; STATM_BYTES_MAX];
        // A read from the start is a new measurement.
        let length = self.statm.read_at(&mut text, 0).unwrap_or(0);
        anonymous_pages(&text[..length]).saturating_mul(self.page_bytes)
    }
}

/// Of `statm`: resident pages less those of files and shared memory.
fn anonymous_pages(statm: &[u8]) -> u64 {
    let text = std::str::from_utf8(statm).unwrap_or_default();
    let mut numbers = text.split(' ').map(|number| number.parse().unwrap_or(0));
    let (_size, resident) = (numbers.next(), numbers.next());
    let shared: Option<u64> = numbers.next();
    resident
        .unwrap_or(0_u64)
        .saturating_sub(shared.unwrap_or(0))
}

/// One worker's view of it.
#[derive(Debug, Default)]
pub struct MemoryWatch {
    memory: Memory,
    pressure: Pressure,
    relief: LoadShedding,
    looked_at: Tick,
    relieved_at: Tick,
    given_back_at: Tick,
    /// When to give back next; `None` when there has been no turn since the last time.
    give_back_at: Option<Tick>,
    used_bytes: u64,
}

impl MemoryWatch {
    pub fn new(memory: Memory) -> MemoryWatch {
        MemoryWatch {
            memory,
            ..MemoryWatch::default()
        }
    }

    /// Is there anything to look at?
    pub fn is_limited(&self) -> bool {
        self.memory.limited.is_some()
    }

    /// Looks, if it has not just now; says what has changed.
    pub fn look(&mut self, now: Tick) -> Option<Pressure> {
        let limited = self.memory.limited.as_ref()?;
        if now.since(self.looked_at) < LOOK_EVERY {
            return None;
        }
        self.looked_at = now;
        self.used_bytes = limited.used_bytes();
        let before = self.pressure;
        self.pressure = before.step(&limited.rules, self.used_bytes);
        if self.pressure == before {
            return None;
        }
        if self.pressure < Pressure::Critical {
            self.relief = LoadShedding::default();
        }
        let (pressure, used_bytes) = (self.pressure.name(), self.used_bytes);
        let limit_bytes = limited.rules.limit_bytes;
        if self.pressure > before {
            tracing::warn!(pressure, used_bytes, limit_bytes, "memory runs short");
        } else {
            tracing::info!(pressure, used_bytes, limit_bytes, "memory is free again");
        }
        Some(self.pressure)
    }

    /// How many bytes calls may hold, of the `held` that they do; `None` for any number, and if that
    /// was asked just now.
    pub fn relief(&mut self, now: Tick, held: impl FnOnce() -> usize) -> Option<usize> {
        let limited = self.memory.limited.as_ref()?;
        let is_short = self.pressure == Pressure::Critical;
        if !is_short || now.since(self.relieved_at) < LOOK_EVERY {
            return None;
        }
        self.relieved_at = now;
        let bytes = (self.used_bytes, held() as u64);
        let (relief, keep) = self.relief.step(&limited.rules, self.pressure, now, bytes);
        self.relief = relief;
        keep.map(|keep| usize::try_from(keep).unwrap_or(usize::MAX))
    }

    /// Ends a turn: lets the allocator give back what is free, now or soon if it has just done so.
    pub fn give_back(&mut self, now: Tick) {
        let every = match self.pressure {
            Pressure::Low => GIVE_BACK_EVERY,
            Pressure::High | Pressure::Critical => GIVE_BACK_AGAIN,
        };
        let due = self.given_back_at + every;
        if now < due {
            self.give_back_at = Some(due);
            return;
        }
        self.given_back_at = now;
        self.give_back_at = None;
        outrider_allocator::give_back();
    }

    pub fn pressure(&self) -> Pressure {
        self.pressure
    }

    /// When to look or to give back although nothing happens.
    pub fn wake_at(&self) -> Option<Tick> {
        let look_at = (self.pressure > Pressure::Low).then(|| self.looked_at + LOOK_AGAIN);
        look_at.into_iter().chain(self.give_back_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anonymous_memory_is_what_is_resident_and_not_shared() {
        let cases: [(&[u8], u64); 4] = [
            (b"118291 9000 4000 5120 0 20115 0\n", 5_000),
            (b"10 3 5 0 0 0 0\n", 0),
            (b"", 0),
            (b"10 x\xff", 0),
        ];
        for (statm, expected) in cases {
            assert_eq!(anonymous_pages(statm), expected, "{statm:?}");
        }
    }

    #[test]
    fn what_this_process_holds_is_seen_at_once() {
        let memory = Memory::new(Some(u64::MAX));
        let before = memory.used_bytes();
        let held = vec![1_u8; 64 << 20];
        let grown = memory.used_bytes().saturating_sub(before);
        assert!(grown > 32 << 20, "{grown} of {}", held.len());
    }

    #[test]
    fn a_worker_over_its_limit_looks_again_by_itself() {
        let mut watch = MemoryWatch::new(Memory::new(Some(1 << 20)));
        let now = Tick::ZERO + Duration::from_secs(1);
        assert_eq!(watch.look(now), Some(Pressure::Critical));
        assert_eq!(watch.look(now), None, "just now");
        assert_eq!(watch.relief(now, || 10), Some(0));
        assert_eq!(watch.relief(now, || 10), None, "just now");
        assert_eq!(watch.wake_at(), Some(now + LOOK_AGAIN));
    }

    #[test]
    fn an_idle_worker_wakes_up_once_for_what_its_last_turn_freed() {
        let mut watch = MemoryWatch::default();
        let start = Tick::ZERO + Duration::from_secs(1);
        let due = start + GIVE_BACK_EVERY;
        watch.give_back(start);
        assert_eq!(watch.wake_at(), None, "just given back");
        watch.give_back(start + Duration::from_millis(1));
        watch.give_back(start + Duration::from_millis(2));
        assert_eq!(watch.wake_at(), Some(due));
        watch.give_back(due);
        assert_eq!(watch.wake_at(), None, "no turn since");
    }

    #[test]
    fn without_a_limit_nothing_is_looked_at() {
        for limit in [None, Some(0)] {
            let mut watch = MemoryWatch::new(Memory::new(limit));
            let now = Tick::ZERO + Duration::from_secs(1);
            assert_eq!((watch.look(now), watch.relief(now, || 10)), (None, None));
            assert_eq!((watch.wake_at(), watch.is_limited()), (None, false));
        }
    }
}
