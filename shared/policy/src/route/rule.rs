//! What configuration says of a service's routes, before it becomes a table.

use super::{RouteMatch, WeightedCluster};
use crate::CallPolicy;

/// The routes of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualHost {
    /// Name of the service.
    pub name: String,
    /// Names it answers to, lower case: hosts (`orders`, `orders.mesh`; a port is ignored), and
    /// gRPC services as `grpc/shop.v1.Orders`. No wildcards.
    pub domains: Vec<String>,
    /// The first that matches wins; their order is the renderer's duty.
    pub routes: Vec<Route>,
}

/// One rule and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Name for records and metrics.
    pub name: String,
    /// What it wants of a request.
    pub matches: RouteMatch,
    /// Where matching calls go, by weight. At least one weight is above zero.
    pub clusters: Vec<WeightedCluster>,
    /// How matching calls are treated.
    pub policy: CallPolicy,
}
