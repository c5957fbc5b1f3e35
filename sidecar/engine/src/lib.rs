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

mod call;
mod cluster;
mod codec;
mod configuration;
mod connection;
mod drain;
mod families;
mod foreign;
mod lifetime;
mod lines;
mod pool;
mod relief;
mod settle;

mod alarm;
mod contain;
mod fuse;
mod gauges;
mod stock;

mod random;
mod record;
mod refusal;
mod timers;
mod tls;
mod word;

pub use contract::{Action, ConnectFailure, ConnectionId, Contained, How, Side};
pub use engine::Engine;
#[cfg(any(test, feature = "simulation"))]
pub use fuse::{At, Injected};
pub use outrider_http2::Foreign;
pub use record::{
    AttemptRecord, CallRecord, ClusterGauge, Counters, EndCause, EndpointGauge, Gauges, Outcome,
    WAITED_FOR,
};
pub use refusal::Reason;
pub use tls::{MaterialError, TlsMaterial, anonymous_client};
pub use word::SharedBudget;
