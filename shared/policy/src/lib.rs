//! Every decision of the mesh, as pure functions over values.
//!
//! Values in, values out: time is a [`Tick`], randomness a `u64` or a closure, state a
//! value that each event turns into the next one. So a rule is tested as a table, and the
//! whole data path replays under a seed.
//!
//! Deliberately unknown here: sockets, clocks, locks, HTTP/2 frames, TLS and xDS. The caller
//! waits, sends and stores; this crate says what to do next. Modules stand in the order in
//! which a call meets them.

pub mod order;

mod random;
mod reason;
mod tick;
mod word;

mod authority;
mod path;
mod sampling;
mod trace;
pub mod tracestate;

mod route;

mod authorization;

mod call_policy;
mod cluster_policy;
pub mod deadline;
mod decision;
mod family;
mod lifetimes;
mod limits;
mod listener_policy;
mod locality;
mod overload;
mod rate_limit;
pub mod timeout;

mod balance;
mod health;

mod classify;
mod code;
mod retry;

mod error;

pub use authority::{Authority, BadAuthority};
pub use authorization::{
    AuthorizationAction, AuthorizationCall, AuthorizationDecision, AuthorizationPolicies,
    AuthorizationPolicy, AuthorizationRule, AuthorizationVerdict, BadMatch, CallerIdentity,
    HeaderCondition, IdentityMatch, OperationMatch, RuleIndex, SourceMatch, StringMatch,
    ValueMatch,
};
pub use balance::{
    Candidate, EndpointStatus, Estimate, LatencyBaseline, Log2Ratio, Priorities, Rank, Share,
    Trial, Turn, Weights,
};
pub use call_policy::CallPolicy;
pub use classify::{Class, Origin, classify_grpc, classify_http};
pub use cluster_policy::ClusterPolicy;
pub use code::{Code, CodeSet};
pub use decision::{Decision, Policy, PolicyVerdict, Rule, Trail};
pub use error::ConfigError;
pub use family::Family;
pub use health::{
    Admission, Availability, Breaker, BreakerRules, Ejection, EndpointHealth, HealthChange,
    HealthRules, Observation, OutlierRules, may_eject,
};
pub use lifetimes::{Keepalive, KeepaliveAction, KeepaliveRules, Lifetimes, jittered};
pub use limits::Limits;
pub use listener_policy::ListenerPolicy;
pub use locality::Locality;
pub use overload::{
    ConnectionSide, DescriptorRules, LoadShedding, MemoryRules, OpenConnections, Pressure,
};
pub use path::{BadPath, GrpcPath, check_plain_path};
pub use rate_limit::{
    FixedWindow, KeyTable, LimitField, LimitKey, LimitState, RateAlgorithm, RateLimit, RateVerdict,
    SlidingWindow, TokenBucket, WarmingBucket,
};
pub use reason::Reason;
pub use retry::{
    AttemptEnd, BackOff, BudgetRules, CallFacts, Processed, Pushback, RetryBudget, RetryPolicy,
    StopReason, Verdict, decide_retry,
};
pub use route::{
    HeaderMatch, HeaderValueMatch, NoRoute, PathMatch, Route, RouteIndex, RouteMatch, RouteTable,
    Target, VirtualHost, WeightedCluster, pick_weighted,
};
pub use sampling::Sampling;
pub use tick::Tick;
pub use trace::{TraceContext, request_id};
pub use word::Word;
