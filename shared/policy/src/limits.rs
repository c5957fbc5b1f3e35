//! Concurrency ceilings of one upstream.
//!
//! A call beyond either is refused with RESOURCE_EXHAUSTED at once. Envoy calls these circuit
//! breakers; a breaker here is something else (see `health`). gRPC without a mesh has no such
//! ceilings, so the defaults are beyond what an ordinary burst needs (a deploy, a cold cache, a cron
//! at the full hour): they end what has gone wrong, memory ends the rest.

/// Ceilings on the calls to one upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Calls in progress at once. Default 10,000; 0 refuses every call.
    pub calls: u32,
    /// Of these, calls without a stream, whatever they wait for. Default 10,000, so that a cold start
    /// or a reconnect refuses nothing that may be in progress; 0 refuses each call that would wait.
    pub waiting: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            calls: 10_000,
            waiting: 10_000,
        }
    }
}
