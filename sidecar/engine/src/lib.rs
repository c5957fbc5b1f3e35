//! The proxy as sans-I/O state machines: connections and calls, TLS inside, events in, actions out.
//!
//! Decides how a call moves between two connections; what to do about a failure, a route or a
//! deadline is asked of `outrider-policy`, what bytes mean of `outrider-http2` and rustls. It
//! deliberately knows no sockets, clocks, threads or xDS: a loop feeds [`Engine`] and does what
//! each [`Action`] says. `docs/LIFE_OF_A_CALL.md` walks through one call.

pub mod config;

mod contract;
mod engine;
mod events;
mod ids;

mod call;
mod cluster;
mod configuration;
mod net;
mod panic;

mod count;
mod gauges;
mod load_shedding;
mod on_timer;
mod random;
mod record;
mod refusal;
mod timers;

pub use cluster::shared_state::SharedState;
pub use contract::{Action, CloseCause, ConnectFailure, Contained};
pub use engine::Engine;
pub use ids::{ConnectionId, Side};
pub use net::tls::{MaterialError, TlsMaterial, anonymous_client};
pub use outrider_http2::Foreign;
pub use outrider_policy::Reason;
#[cfg(any(test, feature = "simulation"))]
pub use panic::failpoint::{Failpoint, InjectedPanic};
pub use record::{
    AttemptRecord, CallRecord, ClusterGauge, Counters, EndCause, EndpointGauge, Gauges, Outcome,
    WAITED_FOR,
};
