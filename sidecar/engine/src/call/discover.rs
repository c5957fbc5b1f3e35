//! Waiting for a service that is not known yet.
//!
//! A service is asked for by its first call; its calls wait, at most [`Settings::discovery_wait`] in
//! all, until a configuration has the answer. Then they are admitted again, under the policy that
//! came with it, in the order in which they came. Until then there is no policy, so the default of
//! `limits.waiting` says how many may wait for one name.
//!
//! There is no list of waiting calls that could disagree with them: a swap of configuration, which
//! is rare, looks through all calls if any waits.
//!
//! [`Settings::discovery_wait`]: crate::config::Settings::discovery_wait

use outrider_policy::{Limits, Reason};

use super::grammar::shown;
use super::wait::{Missing, WaitKind};
use super::{Call, Phase};
use crate::cluster::lines::Ticket;
use crate::config::Discovery;
use crate::contract::Action;
use crate::engine::Engine;
use crate::ids::CallId;
use crate::refusal::Refusal;

/// Names without a route that a worker has asked for. Each is a subscription that outlives its
/// call, so callers that make names up must not get more.
const WANTED_MAX: usize = 1_024;

impl Engine {
    /// One call more waits for the name.
    pub(super) fn note_wait_for_service(&mut self, name: &str) {
        if let Some(calls) = self.wanted.get_mut(name) {
            *calls += 1;
        }
    }

    /// One call less waits for the name.
    pub(super) fn note_wait_for_service_over(&mut self, name: &str) {
        // A name that leads somewhere now is no longer wanted.
        let waiting = self.wanted.get(name).map(|calls| self.less(*calls, 1));
        if let (Some(waiting), Some(calls)) = (waiting, self.wanted.get_mut(name)) {
            *calls = waiting;
        }
    }

    /// Asks for a service, once; then says whether there is room for one more call to wait for it.
    /// Calls that are refused here find the answer at their next try.
    pub(super) fn check_discovery(&mut self, name: &str) -> Result<(), Refusal> {
        if !self.request_discovery(name) {
            let name = shown(name.as_bytes());
            let sentence = format!(
                "{name} is not known, and {WANTED_MAX} names that no service has were asked for already"
            );
            return Err(Refusal::early(Reason::DiscoveryNamesLimit, sentence));
        }
        let limit = Limits::default().waiting;
        let waiting = self.wanted.get(name).copied().unwrap_or_default();
        if waiting >= limit as usize {
            let name = shown(name.as_bytes());
            let sentence = format!("{limit} calls wait already for {name}, which is not known yet");
            return Err(Refusal::early(Reason::DiscoveryCallsLimit, sentence));
        }
        Ok(())
    }

    /// Sees to it that the name is asked for; gives whether it is.
    fn request_discovery(&mut self, name: &str) -> bool {
        if self.wanted.contains_key(name) {
            return true;
        }
        if self.wanted.len() >= WANTED_MAX {
            return false;
        }
        self.wanted.insert(name.to_owned(), 0);
        self.actions.push_back(Action::Want(name.to_owned()));
        true
    }

    /// New configuration is in force: the calls for which it has the answer go on, the oldest
    /// first. Names that lead somewhere now are no longer wanted; when their routes go, they are wanted again.
    pub(crate) fn resume_discovered(&mut self) {
        let routes = &self.configuration.snapshot.routes;
        self.wanted.retain(|name, _| !routes.knows(name));
        if self.waiting[WaitKind::Service as usize] == 0 {
            return;
        }
        let waiting = self.calls.iter();
        let answered = waiting.filter(|(_, call)| self.has_answer(call));
        let mut ready: Vec<(Option<Ticket>, CallId)> =
            answered.map(|(id, call)| (call.ticket, id)).collect();
        ready.sort_unstable();
        for (_, id) in ready {
            self.for_call(id, |engine| engine.resume(id));
        }
    }

    /// Does the configuration in force say whether there is this call's service?
    fn has_answer(&self, call: &Call) -> bool {
        let Phase::Waiting(wait) = &call.phase else {
            return false;
        };
        match (&wait.missing, &self.configuration.snapshot.discovery) {
            (Missing::Service(_), Discovery::Complete) => true,
            (Missing::Service(name), Discovery::OnDemand { absent }) => {
                absent.contains(name) || self.configuration.snapshot.routes.knows(name)
            }
            (Missing::Time { .. } | Missing::Endpoint | Missing::Stream | Missing::Ready(_), _) => {
                false
            }
        }
    }
}
