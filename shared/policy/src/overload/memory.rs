//! Memory: what is refused, and what is ended, as the process nears its limit.
//!
//! Three levels with hysteresis, so that a process at the edge does not flap: refusals cost memory
//! too. Calls in progress are ended last, first of all those whose peer does not read. Envoy's
//! overload manager has the same order (`envoy.overload_actions.stop_accepting_requests`, then
//! `stop_accepting_connections`, `reset_high_memory_stream`).

use std::time::Duration;

use crate::Tick;

/// No new streams from here. Percent of the limit.
const HIGH_PERCENT: u64 = 80;
/// No new connections from here, and stalled streams are ended. Percent of the limit.
const CRITICAL_PERCENT: u64 = 90;
/// A level is left this far below where it begins. Percent of the limit.
const HYSTERESIS_PERCENT: u64 = 5;

/// Calls must give up what is used above this. Percent of the limit: well below the critical level,
/// because an allocator cannot use all freed memory for what comes next.
const SHED_PERCENT: u64 = 80;

/// Pause before the ceiling is lowered again: freed memory needs time to go back to the system.
const SHED_AGAIN_AFTER: Duration = Duration::from_millis(1_500);

/// How much memory the process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryRules {
    /// Bytes; not 0.
    pub limit_bytes: u64,
}

/// How near the limit is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// Everything is taken.
    #[default]
    Low,
    /// From 80 % of the limit: no new streams.
    High,
    /// From 90 %: no new connections either, and stalled streams are ended.
    Critical,
}

impl MemoryRules {
    /// So many percent of the limit, in bytes.
    fn percent(&self, percent: u64) -> u64 {
        self.limit_bytes / 100 * percent
    }

    /// Bytes that calls should give up.
    fn excess(&self, used_bytes: u64) -> u64 {
        used_bytes.saturating_sub(self.percent(SHED_PERCENT))
    }
}

impl Pressure {
    /// The pressure now that `used_bytes` are in use.
    pub fn step(self, rules: &MemoryRules, used_bytes: u64) -> Pressure {
        let begins = |percent, is_in: bool| {
            let hysteresis = if is_in { HYSTERESIS_PERCENT } else { 0 };
            used_bytes >= rules.percent(percent - hysteresis)
        };
        if begins(CRITICAL_PERCENT, self >= Pressure::Critical) {
            Pressure::Critical
        } else if begins(HIGH_PERCENT, self >= Pressure::High) {
            Pressure::High
        } else {
            Pressure::Low
        }
    }

    /// Name for logs.
    pub const fn name(self) -> &'static str {
        match self {
            Pressure::Low => "low",
            Pressure::High => "high",
            Pressure::Critical => "critical",
        }
    }
}

/// The ceiling on what calls in progress hold while the pressure is critical. Memory that they give up
/// does not show in the measured use at once, so the ceiling is lowered in steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadShedding {
    /// The ceiling in bytes, and since when.
    ceiling: Option<(u64, Tick)>,
}

impl LoadShedding {
    /// How many bytes calls may hold, when `used_bytes` are in use and calls hold `held_bytes` of them;
    /// `None` for any number.
    pub fn step(
        self,
        rules: &MemoryRules,
        pressure: Pressure,
        now: Tick,
        (used_bytes, held_bytes): (u64, u64),
    ) -> (LoadShedding, Option<u64>) {
        if pressure < Pressure::Critical {
            return (LoadShedding::default(), None);
        }
        let (ceiling, since) = match self.ceiling {
            Some((ceiling, since)) if now.since(since) < SHED_AGAIN_AFTER => (ceiling, since),
            Some((ceiling, _)) => (
                self.lowered(rules, used_bytes, held_bytes.min(ceiling)),
                now,
            ),
            None => (self.lowered(rules, used_bytes, held_bytes), now),
        };
        let shedding = LoadShedding {
            ceiling: Some((ceiling, since)),
        };
        (shedding, Some(ceiling))
    }

    fn lowered(self, rules: &MemoryRules, used_bytes: u64, held_bytes: u64) -> u64 {
        held_bytes.saturating_sub(rules.excess(used_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: MemoryRules = MemoryRules { limit_bytes: 1_000 };

    #[test]
    fn a_level_is_left_five_percent_below_where_it_begins() {
        use Pressure::{Critical, High, Low};
        let cases = [
            (Low, 799, Low),
            (Low, 800, High),
            (Low, 900, Critical),
            (High, 750, High),
            (High, 749, Low),
            (High, 899, High),
            (High, 900, Critical),
            (Critical, 850, Critical),
            (Critical, 849, High),
            (Critical, 750, High),
            (Critical, 749, Low),
            (Critical, 2_000, Critical),
        ];
        for (before, used, expected) in cases {
            assert_eq!(before.step(&RULES, used), expected, "{before:?} at {used}");
        }
    }

    #[test]
    fn what_calls_hold_is_lowered_and_stays_low_while_it_is_critical() {
        let start = Tick::ZERO + Duration::from_secs(1);
        let step = |shedding: LoadShedding, after_ms, used, held| {
            let now = start + Duration::from_millis(after_ms);
            shedding.step(&RULES, Pressure::Critical, now, (used, held))
        };
        let (shedding, keep) = step(LoadShedding::default(), 0, 920, 600);
        assert_eq!(keep, Some(480), "120 above 80 %");
        let cases = [
            ("not seen yet", 100, 920, 480, Some(480)),
            ("more came", 100, 930, 570, Some(480)),
            ("it did not come back", 1_500, 920, 480, Some(360)),
            ("it is held elsewhere", 1_500, 2_000, 480, Some(0)),
        ];
        for (name, after_ms, used, held, expected) in cases {
            assert_eq!(step(shedding, after_ms, used, held).1, expected, "{name}");
        }
    }

    #[test]
    fn only_critical_pressure_ends_what_is_held() {
        for pressure in [Pressure::Low, Pressure::High] {
            let (shedding, keep) =
                LoadShedding::default().step(&RULES, pressure, Tick::ZERO, (990, 900));
            assert_eq!((shedding, keep), (LoadShedding::default(), None));
        }
    }
}
