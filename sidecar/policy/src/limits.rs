//! Concurrency ceilings of one upstream.
//!
//! A call beyond either is refused with RESOURCE_EXHAUSTED at once. Envoy calls these circuit
//! breakers; a breaker here is something else (see `health`).

/// Ceilings on the calls to one upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Calls in progress at once. Default 1,024; 0 refuses every call.
    pub calls_max: u32,
    /// Of these, calls that wait for a connection to open. Default 1,024, so that a cold start or a
    /// reconnect refuses nothing that may be in progress; 0 refuses each call that finds none open.
    pub waiting_max: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            calls_max: 1024,
            waiting_max: 1024,
        }
    }
}
