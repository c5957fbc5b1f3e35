//! The names subscribed to, and which of them still wait for an answer.
//!
//! Services are named by calls; the rest follows from what is held. A name is waited for until
//! the server says something of it, or for 15 s of a live stream; then it does not exist.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use outrider_policy::Tick;
use outrider_proto::Kind;
use outrider_proto::envoy::route::route::Action;
use outrider_proto::envoy::route::route_action::ClusterSpecifier;
use outrider_proto::envoy::route::{RouteAction, RouteConfiguration};

/// Envoy's and gRPC's `initial_fetch_timeout`.
const FETCH_TIMEOUT: Duration = Duration::from_secs(15);

/// What is known of a name that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// No answer yet; a call waits within its deadline.
    Waiting,
    /// The server has it, good or not.
    Present,
    /// The server does not have it, or has said nothing for 15 s.
    Absent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FetchState {
    /// Not asked on a live stream.
    NotRequested,
    Until(Tick),
    Done,
}

/// The wanted names of all kinds.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    waits: BTreeMap<Kind, BTreeMap<String, FetchState>>,
    /// Names that ran out of time.
    pub timed_out_count: u64,
}

impl Subscriptions {
    pub fn names(&self, kind: Kind) -> BTreeSet<String> {
        let waits = self.waits.get(&kind).into_iter().flatten();
        waits.map(|(name, _)| name.clone()).collect()
    }

    pub fn has(&self, kind: Kind, name: &str) -> bool {
        let waits = self.waits.get(&kind);
        waits.is_some_and(|waits| waits.contains_key(name))
    }

    /// [`Subscriptions::has`] of one kind.
    pub fn of(&self, kind: Kind) -> impl Fn(&str) -> bool + '_ {
        move |name| self.has(kind, name)
    }

    /// Wants exactly these names; gives whether that is a change.
    pub fn want(&mut self, kind: Kind, names: BTreeSet<String>) -> bool {
        let waits = self.waits.entry(kind).or_default();
        let before = waits.len();
        waits.retain(|name, _| names.contains(name));
        let kept = waits.len();
        for name in names {
            waits.entry(name).or_insert(FetchState::NotRequested);
        }
        kept < before || kept < waits.len()
    }

    /// Is there no more to wait for?
    pub fn is_over(&self, kind: Kind, name: &str) -> bool {
        let wait = self.waits.get(&kind).and_then(|waits| waits.get(name));
        wait.is_none_or(|wait| *wait == FetchState::Done)
    }

    /// The name was put to a server that is there.
    pub fn asked(&mut self, now: Tick, kind: Kind, name: &str) {
        if let Some(wait) = self.wait(kind, name)
            && *wait == FetchState::NotRequested
        {
            *wait = FetchState::Until(now + FETCH_TIMEOUT);
        }
    }

    /// The server said something of the name.
    pub fn answered(&mut self, kind: Kind, name: &str) {
        if let Some(wait) = self.wait(kind, name) {
            *wait = FetchState::Done;
        }
    }

    /// The stream is gone: pending names are requested again on the next.
    pub fn stream_lost(&mut self) {
        for wait in self.waits.values_mut().flat_map(BTreeMap::values_mut) {
            if matches!(wait, FetchState::Until(_)) {
                *wait = FetchState::NotRequested;
            }
        }
    }

    /// Gives up on what is due; gives whether there was any.
    pub fn expire(&mut self, now: Tick) -> bool {
        let before = self.timed_out_count;
        for wait in self.waits.values_mut().flat_map(BTreeMap::values_mut) {
            if matches!(wait, FetchState::Until(until) if *until <= now) {
                *wait = FetchState::Done;
                self.timed_out_count += 1;
            }
        }
        self.timed_out_count > before
    }

    /// When the first wait ends.
    pub fn next_expiry(&self) -> Option<Tick> {
        let waits = self.waits.values().flat_map(BTreeMap::values);
        let until = waits.filter_map(|wait| match wait {
            FetchState::Until(until) => Some(*until),
            FetchState::NotRequested | FetchState::Done => None,
        });
        until.min()
    }

    fn wait(&mut self, kind: Kind, name: &str) -> Option<&mut FetchState> {
        self.waits.get_mut(&kind)?.get_mut(name)
    }
}

/// The clusters that routes lead to.
pub(super) fn clusters_of(routes: &RouteConfiguration) -> BTreeSet<&str> {
    let hosts = routes.virtual_hosts.iter();
    let routes = hosts.flat_map(|host| &host.routes);
    let actions = routes.filter_map(|route| match &route.action {
        Some(Action::Route(action)) => Some(action),
        Some(_) | None => None,
    });
    actions.flat_map(clusters_of_action).collect()
}

fn clusters_of_action(action: &RouteAction) -> Vec<&str> {
    match &action.cluster_specifier {
        Some(ClusterSpecifier::Cluster(name)) => vec![name],
        Some(ClusterSpecifier::WeightedClusters(weighted)) => {
            let clusters = weighted.clusters.iter();
            clusters.map(|cluster| cluster.name.as_str()).collect()
        }
        // Refused by acceptance.
        Some(_) | None => Vec::new(),
    }
}
