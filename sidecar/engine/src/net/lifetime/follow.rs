//! New rules for connections that live already: every limit is counted again from where it began.
//!
//! What is overdue by the new rules ends at once, but for age: a change of the Mesh makes connections
//! overdue on all sidecars together, so they go within a tenth of the new age, and within a second.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::trust::share;
use crate::cluster::ClusterState;
use crate::config::Snapshot;
use crate::engine::Engine;
use crate::ids::{ConnectionId, Scope, Side};
use crate::net::connection::{Role, Upstream};
use crate::record::EndCause;

/// Longest that a connection outlives an age that it has passed.
const OVERDUE_MAX: Duration = Duration::from_secs(1);

impl Engine {
    /// The configuration `before` has been replaced.
    pub(crate) fn apply_lifetimes(&mut self, before: &Snapshot) {
        let after = &self.configuration.snapshot;
        let is_listener_changed =
            |side| before.listener(side).lifetimes != after.listener(side).lifetimes;
        let clusters = &self.configuration.clusters;
        let changed = |(slot, it): (usize, &mut crate::net::connection::Connection)| {
            let is_changed = match &mut it.role {
                Role::Upstream(upstream) if !upstream.cluster.is_app => {
                    upstream.apply_lifetimes(clusters)
                }
                Role::Upstream(_) => is_listener_changed(Side::Inbound),
                Role::Downstream { side, .. } => is_listener_changed(*side),
            };
            is_changed.then(|| it.id(slot))
        };
        let changed: Vec<_> = self.connections.iter_mut().filter_map(changed).collect();
        for id in changed {
            self.in_scope(Scope::Connection(id), |engine| {
                engine.reschedule_maintenance(id)
            });
        }
    }

    fn reschedule_maintenance(&mut self, id: ConnectionId) {
        self.time_beginning(id);
        self.reschedule_replacement(id);
        let Some(connection) = self.connection(id).filter(|it| it.lifetime.begun) else {
            return;
        };
        let block = connection.lifetime.block;
        self.watch_block(id, block.map(|block| (block.number, block.began_at)));
        let now = self.now;
        self.schedule_maintenance(id, Some(now));
    }

    fn reschedule_replacement(&mut self, id: ConnectionId) {
        let (now, age) = (self.now, self.lifetimes(id).age);
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        let life = &mut connection.lifetime;
        // Else it is on its way out already.
        let (Some(span), Some(_)) = (life.span, life.replace) else {
            return;
        };
        let (due, cause) = span.end(age);
        let late = age.unwrap_or_default() / 10;
        let soon = now + late.min(OVERDUE_MAX).mul_f64(share(span.random));
        let is_aged = cause == EndCause::Age;
        life.replace = Some((if is_aged { due.max(soon) } else { due }, cause));
    }
}

impl Upstream {
    /// Takes the newest word on its cluster; `true`: it says something else of this connection.
    fn apply_lifetimes(&mut self, clusters: &FxHashMap<Arc<str>, Rc<ClusterState>>) -> bool {
        let Some(newest) = clusters.get(&self.cluster.name) else {
            return false;
        };
        let (before, after) = (&self.cluster.config, &newest.config);
        // Made under another protection it is on its way out.
        if Rc::ptr_eq(newest, &self.cluster) || before.transport != after.transport {
            return false;
        }
        let (before, after) = (&before.policy, &after.policy);
        let is_changed =
            before.lifetimes != after.lifetimes || before.connect_timeout != after.connect_timeout;
        self.cluster = Rc::clone(newest);
        is_changed
    }
}
