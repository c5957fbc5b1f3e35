//! Waiting in a cluster's lines: for a first endpoint, for room, until an endpoint can be reached.

use std::rc::Rc;

use super::{Missing, Waited};
use crate::call::Phase;
use crate::cluster::ClusterState;
use crate::engine::Engine;
use crate::ids::CallId;

impl Engine {
    /// No endpoint has room, or there is none at all: the call stands in line, where it stood before
    /// if it did.
    pub(crate) fn wait_for_room(&mut self, id: CallId) {
        let Some(cluster) = self.cluster_of(id) else {
            return;
        };
        let missing = match cluster.endpoints.is_empty() {
            true => Missing::Endpoint,
            false => Missing::Stream,
        };
        self.join_line(id, &cluster, missing);
    }

    /// No endpoint could be reached. `true`: the call may wait until one can be.
    pub(in crate::call) fn wait_until_ready(&mut self, id: CallId, words: &str) -> bool {
        let Some(cluster) = self.cluster_of(id) else {
            return false;
        };
        let now = self.now;
        let Some(call) = self.calls.at_mut(id) else {
            return false;
        };
        let route = call.route.as_ref();
        let Some(patience) = route.and_then(|route| route.route.policy.wait_for_ready) else {
            return false;
        };
        let until = *call.history_mut().ready_until.get_or_insert(now + patience);
        if until <= now || self.may_wait(&cluster).is_err() {
            return false;
        }
        // What surely had no effect counts no more towards its attempts.
        let Some(call) = self.calls.at_mut(id) else {
            return false;
        };
        call.attempts = call.maybe_processed;
        let failed = call.last_endpoint;
        let tried = &mut call.history_mut().tried;
        tried.extend(failed);
        if tried.len() >= cluster.endpoints.len() {
            tried.clear();
        }
        self.join_line(id, &cluster, Missing::Ready(words.to_owned()));
        true
    }

    /// The configuration has changed: the call's cluster is another, or gone.
    pub(crate) fn rejoin_line(&mut self, id: CallId) {
        if self.renew_cluster(id).is_none() {
            return;
        }
        let call = self.calls.at(id);
        // It left the lines of a cluster that was away in between.
        if call.is_some_and(|call| matches!(call.phase, Phase::Admitted)) {
            self.attempt(id);
        }
    }

    fn join_line(&mut self, id: CallId, cluster: &Rc<ClusterState>, missing: Missing) {
        if self.waits_for(id, &missing) {
            return;
        }
        self.end_wait(id, Waited::Answered);
        if let Err(refusal) = self.may_wait(cluster) {
            return self.end_refused(id, refusal);
        }
        let ticket = self.ticket(id);
        if let Some(line) = missing.line(cluster) {
            line.join(ticket, id);
        }
        self.open_lines(&cluster.load);
        self.begin_wait(id, missing);
    }

    fn waits_for(&self, id: CallId, missing: &Missing) -> bool {
        let call = self.calls.at(id);
        call.is_some_and(
            |call| matches!(&call.phase, Phase::Waiting(wait) if wait.missing == *missing),
        )
    }

    fn cluster_of(&self, id: CallId) -> Option<Rc<ClusterState>> {
        self.calls.at(id)?.cluster.clone()
    }
}
