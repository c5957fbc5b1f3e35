//! Routing: from authority, path and headers to a route, and from a route to a cluster.

mod matching;
mod table;
mod weights;

pub use matching::{HeaderMatch, HeaderValueMatch, PathMatch, RouteMatch};
pub use table::{NoRoute, Route, RouteIndex, RouteTable, Target, VirtualHost};
pub use weights::{WeightedCluster, pick_weighted};
