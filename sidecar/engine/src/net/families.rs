//! A host name with addresses of both families: one family gets the calls, the other is its fall-back.
//!
//! IPv6 is tried first, unless the cluster says otherwise; when it cannot be reached, or has not
//! answered after [`ATTEMPT_DELAY`], the other is tried beside it. The family that answers first gets
//! all calls from then on, until no connection of it is left and none can be made (RFC 8305; gRFC A61
//! does the same within one address list). A call that waits for a connection moves with it: nothing
//! was tried, so nothing is counted, charged or blamed. Only reaching an endpoint decides; what it
//! answers then is the business of breakers and balancing, as for any other.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::{ClusterState, EndpointState};
use crate::config::Endpoint;
use crate::contract::ConnectFailure;
use crate::engine::Engine;
use crate::ids::ConnectionId;
use crate::net::connection::Stage;
use outrider_policy::Family;

/// Wait for one family before the other is tried beside it (RFC 8305 8, "Connection Attempt Delay").
pub(crate) const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Which family of one name gets the calls.
#[derive(Debug)]
pub(crate) struct Families {
    /// The host and port that stand for both.
    name: Arc<str>,
    preferred: Cell<Family>,
    stage: Cell<Answer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// The preferred family is tried first.
    None,
    /// The other did not answer before: this one is the last that is tried.
    NotOfTheOther,
    /// The preferred family answered.
    Came,
}

/// For each of `endpoints` the families of its name; empty if no name has two. What `previous` found out
/// stays.
pub(crate) fn of_cluster(
    endpoints: &[(usize, &Endpoint)],
    first: Family,
    previous: Option<&ClusterState>,
) -> Vec<Option<Rc<Families>>> {
    if endpoints.iter().all(|(_, it)| it.two_families.is_none()) {
        return Vec::new();
    }
    let mut known: BTreeMap<Arc<str>, Rc<Families>> = BTreeMap::new();
    if let Some(previous) = previous {
        let families = previous.families.iter().flatten();
        known.extend(families.map(|it| (Arc::clone(&it.name), Rc::clone(it))));
    }
    let mut families = |name: &Arc<str>| {
        let new = || Families::new(Arc::clone(name), first);
        let families = known.entry(Arc::clone(name)).or_insert_with(new);
        Rc::clone(families)
    };
    let names = endpoints.iter().map(|(_, it)| it.two_families.as_ref());
    names.map(|name| name.map(&mut families)).collect()
}

impl Families {
    fn new(name: Arc<str>, first: Family) -> Rc<Families> {
        Rc::new(Families {
            name,
            preferred: Cell::new(first),
            stage: Cell::new(Answer::None),
        })
    }

    /// Does the address stand back for the other family?
    pub(crate) fn stands_back(&self, address: &SocketAddr) -> bool {
        Family::of(address) != self.preferred.get()
    }

    /// Is there no other family left to try?
    fn is_last(&self, address: &SocketAddr) -> bool {
        self.stage.get() == Answer::NotOfTheOther && !self.stands_back(address)
    }

    /// The first to answer is preferred; who answers later changes nothing.
    fn answered(&self, address: &SocketAddr) {
        if self.stage.get() != Answer::Came {
            self.preferred.set(Family::of(address));
            self.stage.set(Answer::Came);
        }
    }

    /// The preferred family does not answer. `false`: neither does the other; the next call begins
    /// from the start.
    fn turn(&self) -> bool {
        let is_last = self.stage.get() == Answer::NotOfTheOther;
        self.preferred.set(self.preferred.get().other());
        self.stage.set(match is_last {
            true => Answer::None,
            false => Answer::NotOfTheOther,
        });
        !is_last
    }
}

impl Engine {
    /// An endpoint is reached.
    pub(crate) fn family_answered(&self, cluster: &Rc<ClusterState>, endpoint: &EndpointState) {
        if let Some(families) = cluster.newest().families_of(endpoint) {
            families.answered(&endpoint.address);
        }
    }

    /// An endpoint cannot be reached. `true`: its other family is tried, by the calls that waited.
    pub(crate) fn other_family(
        &self,
        cluster: &Rc<ClusterState>,
        endpoint: &EndpointState,
    ) -> bool {
        let cluster = cluster.newest();
        let Some(families) = cluster.families_of(endpoint) else {
            return false;
        };
        if families.stands_back(&endpoint.address) {
            return true;
        }
        !self.family_is_reached(&cluster, families) && families.turn()
    }

    /// The time of a connection that is being made is over, or that of its family alone: then the
    /// other family is tried beside it, once.
    pub(crate) fn connect_due(&mut self, id: ConnectionId) {
        let now = self.now;
        let is_over = self.connection(id).is_none_or(|connection| {
            let upstream = connection.upstream();
            upstream
                .is_none_or(|upstream| connection.lifetime.began_at + upstream.patience() <= now)
        });
        if is_over {
            return self.connect_failure(id, ConnectFailure::TimedOut);
        }
        self.try_beside(id);
        self.time_beginning(id);
    }

    fn try_beside(&mut self, id: ConnectionId) {
        let Some(upstream) = self.upstream_mut(id) else {
            return;
        };
        upstream.is_slow = true;
        let is_silent = upstream.stage == Stage::Connecting;
        let (cluster, endpoint) = (Rc::clone(&upstream.cluster), Rc::clone(&upstream.endpoint));
        let newest = cluster.newest();
        let is_last = newest
            .families_of(&endpoint)
            .is_none_or(|families| families.is_last(&endpoint.address));
        if is_silent && !is_last && self.other_family(&cluster, &endpoint) {
            self.attempt_waiters(id);
        }
    }

    /// Does any connection to the preferred family work?
    fn family_is_reached(&self, cluster: &ClusterState, families: &Rc<Families>) -> bool {
        let endpoints = cluster.endpoints.iter().zip(&cluster.families);
        let own = endpoints.filter(|(endpoint, other)| {
            other
                .as_ref()
                .is_some_and(|other| Rc::ptr_eq(other, families))
                && !families.stands_back(&endpoint.address)
        });
        own.into_iter()
            .any(|(endpoint, _)| self.has_ready(endpoint))
    }
}

impl ClusterState {
    /// Of an endpoint whose name has two.
    fn families_of(&self, endpoint: &EndpointState) -> Option<&Rc<Families>> {
        if self.families.is_empty() {
            return None;
        }
        let mut endpoints = self.endpoints.iter();
        let index = endpoints.position(|other| std::ptr::eq(&raw const **other, endpoint))?;
        self.families.get(index)?.as_ref()
    }

    /// Does the endpoint stand back for the other family of its name?
    pub(crate) fn stands_back(&self, index: usize) -> bool {
        let families = self.families.get(index).and_then(Option::as_ref);
        families.is_some_and(|families| families.stands_back(&self.endpoints[index].address))
    }

    /// Is a connection to the endpoint one of two families to choose from?
    pub(crate) fn has_two_families(&self, endpoint: &EndpointState) -> bool {
        self.families_of(endpoint).is_some()
    }
}
