//! Ejection for failures in a row, and the ceiling on how many endpoints may be out.
//!
//! Envoy's consecutive ejection ("Outlier detection", Envoy docs), with one difference: a gRPC
//! status in trailers counts. An ejected endpoint gets no probe; it comes back when its time
//! is over.

use std::time::Duration;

use super::window::{Evidence, FAULT, evidence};
use crate::{Class, Tick};

/// For every such span spent in service, one former ejection is forgotten (Envoy's `interval`).
const FORGIVE_AFTER: Duration = Duration::from_secs(10);

/// When an endpoint is ejected and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OutlierRules {
    /// Failures in a row that eject. Default 5 (Envoy); 0 never ejects.
    pub consecutive_failures: u32,
    /// Time out of service, times the number of ejections. Default 30 s (Envoy).
    pub base_ejection_time: Duration,
    /// Longest time out of service, unless the base is longer. Default 300 s (Envoy).
    pub max_ejection_time: Duration,
    /// Share of endpoints that may be out at once, open breakers included. Percent, 0 to 100;
    /// default 50 (Envoy and gRFC A50: 10).
    pub max_ejection_percent: u8,
}

impl Default for OutlierRules {
    fn default() -> OutlierRules {
        OutlierRules {
            consecutive_failures: 5,
            base_ejection_time: Duration::from_secs(30),
            max_ejection_time: Duration::from_secs(300),
            max_ejection_percent: 50,
        }
    }
}

/// State of ejection of one endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ejection {
    row_halves: u32,
    times: u32,
    until: Tick,
}

impl Ejection {
    /// Is the endpoint ejected at `now`?
    pub fn is_out(&self, now: Tick) -> bool {
        now < self.until
    }

    /// When it comes (or came) back; [`Tick::ZERO`] if it was never ejected.
    pub const fn until(&self) -> Tick {
        self.until
    }

    /// Former ejections that still lengthen the next one.
    pub const fn times(&self) -> u32 {
        self.times
    }

    /// An attempt ended. `may_eject` is false where the ceiling forbids to lose one more.
    pub fn record(
        self,
        rules: &OutlierRules,
        now: Tick,
        class: Class,
        may_eject: bool,
    ) -> Ejection {
        if self.is_out(now) {
            return self;
        }
        let row_halves = match evidence(class) {
            Evidence::Good => 0,
            Evidence::Bad(halves) => self.row_halves.saturating_add(halves),
            Evidence::None => self.row_halves,
        };
        let in_a_row = row_halves > self.row_halves
            && row_halves >= rules.consecutive_failures.saturating_mul(FAULT);
        if in_a_row && may_eject && rules.consecutive_failures > 0 {
            return self.eject(rules, now);
        }
        Ejection { row_halves, ..self }
    }

    fn eject(self, rules: &OutlierRules, now: Tick) -> Ejection {
        let forgiven = now.since(self.until).as_nanos() / FORGIVE_AFTER.as_nanos();
        let forgiven = u32::try_from(forgiven).unwrap_or(u32::MAX);
        let times = self.times.saturating_sub(forgiven).saturating_add(1);
        let longest = rules.max_ejection_time.max(rules.base_ejection_time);
        let span = rules.base_ejection_time.saturating_mul(times).min(longest);
        Ejection {
            row_halves: 0,
            times,
            until: now + span,
        }
    }
}

/// May one more endpoint go out of service, when `out_now` of `total` are out already? Never
/// more than `max_percent` of them, and never the last.
pub const fn may_eject(out_now: usize, total: usize, max_percent: u8) -> bool {
    let out_then = out_now.saturating_add(1);
    let within = out_then.saturating_mul(100) <= total.saturating_mul(max_percent as usize);
    within && out_then < total
}
