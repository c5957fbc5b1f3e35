//! What an engine holds at this moment, for metrics and for the checks of the simulation.

use std::rc::Rc;

use crate::cluster::ClusterState;
use crate::engine::Engine;
use crate::net::connection::Role;
use crate::record::Gauges;

impl Engine {
    /// What the engine holds and has counted.
    pub fn gauges(&self) -> Gauges {
        let mut gauges = Gauges {
            calls: self.calls.len(),
            waiting: self.waiting,
            timers: self.timers.len(),
            counters: self.counters,
            drained: self.is_drained(),
            ..Gauges::default()
        };
        for (_, connection) in &self.connections {
            match connection.role {
                Role::Downstream { side, .. } => gauges.downstream[side as usize] += 1,
                Role::Upstream(_) => gauges.upstream += 1,
            }
            gauges.counters.note_limits(connection);
        }
        let room = |id| {
            let usable = self.connection(id).filter(|found| found.is_usable());
            usable.map_or(0, |found| found.http2.room())
        };
        let gauge = |cluster: &Rc<ClusterState>| cluster.gauge(self.now, room);
        gauges.clusters = self.configuration.clusters.values().map(gauge).collect();
        gauges.clusters.sort_by(|a, b| a.name.cmp(&b.name));
        let app = self.configuration.app_route.as_ref();
        let app = app.and_then(|route| route.clusters.first()?.as_ref());
        gauges.app = app.map(gauge);
        gauges
    }
}
