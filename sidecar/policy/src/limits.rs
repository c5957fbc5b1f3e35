//! Concurrency ceilings of one upstream: pass, wait or refuse.
//!
//! Envoy calls these circuit breakers; a breaker here is something else (see `health`).

/// Ceilings on the calls to one upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Calls in progress at once. Default 1,024; 0 refuses every call that may not wait.
    pub calls_max: u32,
    /// Calls waiting for a place beyond those. Default 100; 0 refuses instead of queueing.
    pub waiting_max: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            calls_max: 1024,
            waiting_max: 100,
        }
    }
}

/// What to do with one more call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitsVerdict {
    /// There is room: go on.
    Pass,
    /// Wait in the queue, within the deadline.
    Wait,
    /// Answer RESOURCE_EXHAUSTED.
    Refuse,
}

impl Limits {
    /// Decides on one more call while `calls` are in progress and `waiting` are queued.
    /// A call never overtakes the queue.
    pub const fn decide(self, calls: u32, waiting: u32) -> LimitsVerdict {
        if calls < self.calls_max && waiting == 0 {
            LimitsVerdict::Pass
        } else if waiting < self.waiting_max {
            LimitsVerdict::Wait
        } else {
            LimitsVerdict::Refuse
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_then_queues_then_refuses() {
        let limits = Limits {
            calls_max: 2,
            waiting_max: 1,
        };
        let cases = [
            ("room", 1, 0, LimitsVerdict::Pass),
            ("full", 2, 0, LimitsVerdict::Wait),
            ("nobody overtakes the queue", 1, 1, LimitsVerdict::Refuse),
            ("queue full", 2, 1, LimitsVerdict::Refuse),
            (
                "over the ceiling after it was lowered",
                9,
                0,
                LimitsVerdict::Wait,
            ),
        ];
        for (rule, calls, waiting, expected) in cases {
            assert_eq!(limits.decide(calls, waiting), expected, "{rule}");
        }
    }

    #[test]
    fn no_queue_means_refusal_at_the_ceiling() {
        let limits = Limits {
            calls_max: 1,
            waiting_max: 0,
        };
        assert_eq!(limits.decide(1, 0), LimitsVerdict::Refuse);
    }
}
