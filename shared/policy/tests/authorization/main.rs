//! What policies say of calls, as tables: pairs of policies and a call with the verdict that Istio's
//! reference gives them.
//!
//! Source: <https://istio.io/latest/docs/reference/config/security/authorization-policy/> and
//! <https://istio.io/latest/docs/reference/config/security/conditions/>. A line that begins with
//! `ours:` says something else than Istio, or something that Istio does not know.

mod bounds;
mod conditions;
mod operations;
mod order;
mod properties;
mod sources;
mod world;
