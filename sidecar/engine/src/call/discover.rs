//! Waiting for what is not known yet: a service that nobody has told of, or a first endpoint.
//!
//! A call waits within its deadline, at most [`Settings::discovery_wait`] in all, until a
//! configuration has the answer. A service is asked for by its first call; then its calls are
//! admitted anew, under the policy that came with it. A call to a cluster without endpoints has its
//! policy already and only goes on. What of the body comes meanwhile is kept as for a call that
//! waits for a connection: no window goes back, so it is bounded by the caller's.
//!
//! There is no list of waiting calls that could disagree with them: a swap of configuration, which
//! is rare, looks through all calls if any waits.
//!
//! [`Settings::discovery_wait`]: crate::config::Settings::discovery_wait

use outrider_policy::Tick;

use super::grammar::shown;
use super::{Call, CallId, Phase};
use crate::cluster::ClusterState;
use crate::config::Discovery;
use crate::contract::Action;
use crate::engine::Engine;
use crate::refusal::{Reason, Refusal};
use crate::timers::{Timer, TimerKey};

/// Calls of a worker that wait for services nobody has told of. For a known one
/// `limits.waiting_max` holds.
const UNKNOWN_CALLS_MAX: usize = 1_024;

/// Of these, the calls that wait for one name: one that nobody answers must leave room for others.
const CALLS_OF_NAME_MAX: usize = 128;

/// Names without a route that a worker has asked for. Each is a subscription that outlives its
/// call, so callers that make names up must not get more.
const WANTED_MAX: usize = 1_024;

/// A call's wait for something unknown.
pub(crate) struct Wait {
    missing: Missing,
    /// `None` once it has fired.
    timer: Option<TimerKey>,
}

/// What a call waits for.
enum Missing {
    /// A service, under the name it was asked for.
    Service(String),
    /// An endpoint of the call's cluster.
    Endpoint,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// A configuration has the answer.
    Answered,
    /// The call ended before there was one.
    InVain,
}

impl Engine {
    /// Nobody has told of the call's service: it is asked for, and the call waits for the answer.
    pub(super) fn await_service(&mut self, mut call: Call, name: String) {
        let may_wait = self.set_deadline(&mut call).and_then(|()| self.want(&name));
        match may_wait {
            Ok(()) => {
                let id = self.keep(call);
                self.discover(id, Missing::Service(name));
            }
            Err(refusal) => self.refuse(call, refusal),
        }
    }

    /// The call's cluster has no endpoint at all: it waits for one.
    pub(super) fn await_endpoint(&mut self, id: CallId, cluster: &ClusterState) {
        let (waiting, limit) = (
            &cluster.load.waiting,
            cluster.config.policy.limits.waiting_max,
        );
        if waiting.get() >= limit {
            let sentence = format!("{limit} calls wait for {} already", cluster.name);
            return self.end_refused(id, Refusal::early(Reason::Overloaded, sentence));
        }
        waiting.set(waiting.get() + 1);
        self.discover(id, Missing::Endpoint);
    }

    /// Asks for a service, once; then says whether there is room for one more call to wait for it.
    /// Calls that are refused here find the answer at their next try.
    fn want(&mut self, name: &str) -> Result<(), Refusal> {
        let refused = |sentence| Err(Refusal::early(Reason::Overloaded, sentence));
        if !self.ask_for(name) {
            return refused(format!(
                "{} is not known, and {WANTED_MAX} names that no service has were asked for already",
                shown(name.as_bytes())
            ));
        }
        if self.discovering[Missing::SERVICE] >= UNKNOWN_CALLS_MAX {
            return refused(format!(
                "{UNKNOWN_CALLS_MAX} calls wait already for services that are not known yet"
            ));
        }
        if self
            .wanted
            .get(name)
            .is_some_and(|calls| *calls >= CALLS_OF_NAME_MAX)
        {
            return refused(format!(
                "{CALLS_OF_NAME_MAX} calls wait already for {}, which is not known yet",
                shown(name.as_bytes())
            ));
        }
        Ok(())
    }

    /// Sees to it that the name is asked for; gives whether it is.
    fn ask_for(&mut self, name: &str) -> bool {
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

    fn discover(&mut self, id: CallId, missing: Missing) {
        let patience = self.now + self.settings.discovery_wait;
        let Some(call) = self.calls.get_mut(id.0 as usize) else {
            return;
        };
        let until = *call.discovery_until.get_or_insert(patience);
        self.discovering[missing.index()] += 1;
        if let Missing::Service(name) = &missing
            && let Some(calls) = self.wanted.get_mut(name)
        {
            *calls += 1;
        }
        let timer = Some(self.timers.arm(until, Timer::Discovery(id)));
        call.phase = Phase::Discovering(Wait { missing, timer });
    }

    /// A wait is over; the call that waited is in no phase until its caller says what comes next.
    pub(super) fn end_wait(&mut self, id: CallId, wait: &Wait, waited: Waited) {
        let index = wait.missing.index();
        self.discovering[index] = self.discovering[index].saturating_sub(1);
        match waited {
            Waited::Answered => self.counters.discovery_answered[index] += 1,
            Waited::InVain => self.counters.discovery_given_up[index] += 1,
        }
        if let Some(timer) = wait.timer {
            self.timers.cancel(timer);
        }
        match &wait.missing {
            // A name that leads somewhere now is no longer wanted.
            Missing::Service(name) => {
                if let Some(calls) = self.wanted.get_mut(name) {
                    *calls = calls.saturating_sub(1);
                }
            }
            Missing::Endpoint => self.stop_waiting(id),
        }
    }

    /// Nobody told of it in time.
    pub(crate) fn discovery_over(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id.0 as usize) else {
            return;
        };
        let Phase::Discovering(wait) = &mut call.phase else {
            return;
        };
        wait.timer = None;
        let reason = match wait.missing {
            Missing::Service(_) => Reason::NotDiscovered,
            Missing::Endpoint => Reason::NoEndpoint,
        };
        let patience = self.settings.discovery_wait;
        let cluster = call.cluster.as_ref().map_or("", |cluster| &cluster.name);
        let sentence = format!("{patience:?} passed while {}", wait.words(cluster));
        self.end_refused(id, Refusal::early(reason, sentence));
    }

    /// New configuration is in force: the calls for which it has the answer go on, the oldest
    /// first. Names that lead somewhere now are no longer wanted; should they go, they will be anew.
    pub(crate) fn discovered(&mut self) {
        let routes = &self.snapshot.routes;
        self.wanted.retain(|name, _| !routes.knows(name));
        if self.discovering == [0, 0] {
            return;
        }
        let waiting = self.calls.iter();
        let answered = waiting.filter(|(_, call)| self.has_answer(call));
        let mut ready: Vec<(Tick, CallId)> = answered
            .map(|(slot, call)| (call.started, CallId(slot as u32)))
            .collect();
        ready.sort_unstable();
        for (_, id) in ready {
            self.tell(id, |engine| engine.go_on(id));
        }
    }

    /// Does the configuration in force end this call's wait?
    fn has_answer(&self, call: &Call) -> bool {
        let Phase::Discovering(wait) = &call.phase else {
            return false;
        };
        match &wait.missing {
            Missing::Service(name) => match &self.snapshot.discovery {
                Discovery::Complete => true,
                Discovery::OnDemand { absent } => {
                    absent.contains(name) || self.snapshot.routes.knows(name)
                }
            },
            Missing::Endpoint => {
                let name = call.cluster.as_ref().map_or("", |cluster| &cluster.name);
                let cluster = self.snapshot.clusters.get(name);
                cluster.is_none_or(|cluster| !cluster.endpoints.is_empty())
            }
        }
    }

    fn go_on(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id.0 as usize) else {
            return;
        };
        let wait = match std::mem::replace(&mut call.phase, Phase::Admitted) {
            Phase::Discovering(wait) => wait,
            other @ (Phase::Admitted | Phase::BackingOff(_) | Phase::Trying(_)) => {
                call.phase = other;
                return;
            }
        };
        let has_route = call.route.is_some();
        self.end_wait(id, &wait, Waited::Answered);
        if has_route {
            self.try_again(id);
        } else if let Some(call) = self.take_off(id) {
            self.enter_anew(call);
        }
    }
}

impl Engine {
    /// Counts the waits again, after a panic.
    pub(crate) fn count_waits(&mut self) {
        self.discovering = [0, 0];
        self.wanted.values_mut().for_each(|calls| *calls = 0);
        for (_, call) in &self.calls {
            let Phase::Discovering(wait) = &call.phase else {
                continue;
            };
            self.discovering[wait.missing.index()] += 1;
            if let Missing::Service(name) = &wait.missing
                && let Some(calls) = self.wanted.get_mut(name)
            {
                *calls += 1;
            }
        }
    }
}

impl Wait {
    /// What ends it.
    pub(super) fn timer(&self) -> Option<TimerKey> {
        self.timer
    }

    /// Is its cluster known, and empty?
    pub(super) fn is_for_endpoint(&self) -> bool {
        matches!(self.missing, Missing::Endpoint)
    }

    /// What the call was waiting for, after "while".
    pub(super) fn words(&self, cluster: &str) -> String {
        match &self.missing {
            Missing::Service(name) => {
                let name = shown(name.as_bytes());
                format!("nobody said whether there is a service {name}")
            }
            Missing::Endpoint => format!("{cluster} had no endpoint"),
        }
    }
}

impl Missing {
    const SERVICE: usize = 0;

    /// Its place in counters and gauges.
    fn index(&self) -> usize {
        match self {
            Missing::Service(_) => Missing::SERVICE,
            Missing::Endpoint => 1,
        }
    }
}
