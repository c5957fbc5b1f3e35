//! Routing: from authority, path and headers to a route, and from a route to a cluster.

mod table;

mod matching;
mod weights;

mod build;
mod name;
mod rule;

pub use matching::{HeaderMatch, HeaderValueMatch, PathMatch, RouteMatch};
pub use rule::{Route, VirtualHost};
pub use table::{NoRoute, RouteIndex, RouteTable, Target};
pub use weights::{WeightedCluster, pick_weighted};
