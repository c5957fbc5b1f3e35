//! What to send next: the difference between what a client shall have and what it was told.
//!
//! Level-triggered: nothing is queued. After every event the difference is taken anew, so a
//! burst of changes becomes one response and a lost thought cannot exist. The order is made of
//! two gates: what is needed by others goes first and is answered before they follow
//! ([`Kind::needs`]); what is gone goes last, once all who may refer to it are up to date
//! ([`Kind::referrers`]). Knows no messages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use outrider_proto::Kind;

use super::answer::Verdict;
use super::catalogue::{Item, View};
use super::ledger::{Ledger, SentState, Standing};
use super::subscription::Subscription;

/// The two ways to speak xDS, as far as they differ in what there is to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Delta,
    StateOfTheWorld,
}

impl Protocol {
    /// Can it say that a resource is gone? In state of the world only by leaving it out.
    fn tells_removal(self, kind: Kind) -> bool {
        self == Protocol::Delta || kind.is_whole()
    }

    /// Can it say that a resource never was? In state of the world the client's timer says it.
    fn tells_absence(self) -> bool {
        self == Protocol::Delta
    }
}

/// A response, before it is put in a protocol's words.
#[derive(Debug, PartialEq)]
pub(super) struct Push {
    pub kind: Kind,
    pub nonce: String,
    pub changed: Vec<Arc<Item>>,
    pub removed: Vec<String>,
}

/// One kind on one stream.
#[derive(Debug, Default)]
pub(super) struct Channel {
    pub subscription: Subscription,
    pub ledger: Ledger,
    /// It asked for everything, and even "there is nothing" is an answer it waits for.
    owes_first: bool,
    /// A request of this kind has arrived on this stream.
    opened: bool,
}

/// What is to be said of one kind.
#[derive(Debug, Default)]
struct Due {
    /// New to the client, or in another version than it has.
    changed: Vec<Arc<Item>>,
    /// Asked for, not there, and not said yet.
    absent: Vec<String>,
    /// The client has them, and shall no longer.
    gone: Vec<String>,
}

/// One stream with one client.
#[derive(Debug)]
pub(super) struct Session {
    protocol: Protocol,
    stream: u64,
    responses: u64,
    channels: BTreeMap<Kind, Channel>,
}

impl Session {
    pub fn new(protocol: Protocol, stream: u64) -> Session {
        let channels = Kind::ALL.map(|kind| (kind, Channel::default()));
        Session {
            protocol,
            stream,
            responses: 0,
            channels: channels.into(),
        }
    }

    pub fn channel(&mut self, kind: Kind) -> &mut Channel {
        self.channels.entry(kind).or_default()
    }

    /// Has the client taken everything that it was told?
    pub fn has_accepted_all(&self) -> bool {
        let mut channels = self.channels.values();
        channels.all(|channel| channel.ledger.has_accepted_all())
    }

    pub fn standings(&self) -> impl Iterator<Item = Standing> {
        let channels = self.channels.iter();
        channels.flat_map(|(kind, channel)| channel.ledger.standings(*kind))
    }

    /// How many names the client subscribes to, of all kinds together.
    pub fn names_count(&self) -> usize {
        let channels = self.channels.values();
        channels
            .map(|channel| channel.subscription.names.len())
            .sum()
    }

    /// All that may be said now, in order.
    pub fn advance(&mut self, view: View<'_>) -> Vec<Push> {
        for kind in Kind::ALL {
            if !self.protocol.tells_removal(kind) {
                let gone = self.due(kind, view).gone;
                let told = &mut self.channel(kind).ledger.sent_states;
                told.retain(|name, _| !gone.contains(name));
            }
        }
        let pushes = Kind::ALL.into_iter();
        pushes
            .filter_map(|kind| self.next_push(kind, view))
            .collect()
    }

    /// What is new and what is gone go together where they may: the routes that take over a
    /// domain come with the end of those that had it.
    fn next_push(&mut self, kind: Kind, view: View<'_>) -> Option<Push> {
        let in_place = |needed: &Kind| self.channels[needed].ledger.is_answered();
        if !kind.needs().iter().all(in_place) || self.channels[&kind].ledger.is_full() {
            return None;
        }
        let due = self.due(kind, view);
        let mut removed = Vec::new();
        if self.protocol.tells_absence() {
            removed.extend(due.absent);
        }
        let mut referrers = kind.referrers().iter();
        if !due.gone.is_empty() && referrers.all(|kind| self.is_settled(*kind, view)) {
            removed.extend(due.gone);
        }
        let owes_first = std::mem::take(&mut self.channel(kind).owes_first);
        if due.changed.is_empty() && removed.is_empty() && !owes_first {
            return None;
        }
        Some(self.push(kind, due.changed, removed))
    }

    /// Does the client have exactly what it shall have of this kind, and says so? While it
    /// refuses something it still uses what was before, and may refer to anything.
    fn is_settled(&self, kind: Kind, view: View<'_>) -> bool {
        let ledger = &self.channels[&kind].ledger;
        let due = self.due(kind, view);
        ledger.is_answered()
            && !ledger.has_rejected()
            && due.changed.is_empty()
            && due.gone.is_empty()
    }

    fn due(&self, kind: Kind, view: View<'_>) -> Due {
        let Channel {
            subscription,
            ledger,
            ..
        } = &self.channels[&kind];
        let mut due = Due::default();
        let mut wanted: BTreeMap<&str, &Arc<Item>> = BTreeMap::new();
        for name in &subscription.names {
            match view.find(kind, name) {
                Some(item) => drop(wanted.insert(&item.name, item)),
                None if ledger.sent_states.contains_key(name) => {}
                None => due.absent.push(name.clone()),
            }
        }
        if subscription.wildcard {
            wanted.extend(view.all(kind).map(|item| (item.name.as_str(), item)));
        }
        for (name, told) in &ledger.sent_states {
            match told {
                SentState::Absent => {}
                SentState::Something | SentState::This(..)
                    if wanted.contains_key(name.as_str()) => {}
                SentState::Something | SentState::This(..) => due.gone.push(name.clone()),
            }
        }
        let changed = wanted.into_values().filter(|item| !ledger.holds(item));
        due.changed = changed.cloned().collect();
        due
    }

    /// Enters a response into the books.
    fn push(&mut self, kind: Kind, changed: Vec<Arc<Item>>, removed: Vec<String>) -> Push {
        self.responses += 1;
        let nonce = format!("{}-{}", self.stream, self.responses);
        let channel = self.channel(kind);
        for item in &changed {
            channel.ledger.tell(item);
            // It is there now; should it go, that is news again.
            for alias in &item.aliases {
                channel.ledger.sent_states.remove(alias);
            }
        }
        for name in &removed {
            channel
                .ledger
                .sent_states
                .insert(name.clone(), SentState::Absent);
        }
        channel.forget_unasked_absences();
        channel.ledger.sent(nonce.clone(), &changed);
        // A client that got a changed cluster waits for its endpoints, changed or not.
        let followers = changed.iter().filter_map(|item| item.followed_by.as_ref());
        for follower in followers {
            self.channel(Kind::Endpoints).forget(follower);
        }
        Push {
            kind,
            nonce,
            changed,
            removed,
        }
    }
}

impl Channel {
    /// Notes what the request says of a response.
    pub fn answer(&mut self, nonce: &str, verdict: &Verdict) {
        self.ledger.answered(nonce, verdict);
    }

    /// State of the world: what is wanted now.
    pub fn replace_names(&mut self, kind: Kind, names: Vec<String>, view: View<'_>) {
        let before = self.subscription.names.clone();
        self.change(kind, view, |subscription| subscription.replace(kind, names));
        let after = &self.subscription.names;
        let added: Vec<_> = after.difference(&before).cloned().collect();
        let dropped: Vec<_> = before.difference(after).cloned().collect();
        self.release(kind, &dropped, view);
        self.owe(kind, &added, view);
    }

    /// Delta: what is wanted in addition and what no longer. A name that is subscribed again
    /// is sent again; one that is unsubscribed under `*` is answered by what `*` gives.
    pub fn change_names(
        &mut self,
        kind: Kind,
        subscribe: &[String],
        unsubscribe: &[String],
        view: View<'_>,
    ) {
        self.change(kind, view, |subscription| {
            subscription.change(kind, subscribe, unsubscribe);
        });
        self.release(kind, unsubscribe, view);
        self.owe(kind, subscribe, view);
    }

    /// Delta: what the client has from an earlier stream. Believed only on the first request
    /// of a kind, and only of a version that we would send.
    pub fn resume(
        &mut self,
        kind: Kind,
        versions: impl IntoIterator<Item = (String, String)>,
        view: View<'_>,
    ) {
        for (name, version) in versions {
            let item = view
                .find(kind, &name)
                .filter(|item| item.version == version);
            let told = match item {
                Some(item) => SentState::This(Arc::clone(item), super::Answer::Accepted),
                None => SentState::Something,
            };
            self.ledger.sent_states.insert(name, told);
        }
    }

    /// Is this the first request of its kind on this stream?
    pub fn open(&mut self) -> bool {
        !std::mem::replace(&mut self.opened, true)
    }

    fn change(&mut self, kind: Kind, view: View<'_>, change: impl FnOnce(&mut Subscription)) {
        let before = self.subscription.wildcard;
        change(&mut self.subscription);
        let wildcard = self.subscription.wildcard;
        self.owes_first = wildcard && (self.owes_first || !before);
        if before && !wildcard {
            let wanted = self.wanted_names(kind, view);
            self.ledger
                .sent_states
                .retain(|name, _| wanted.contains(name));
        }
    }

    /// Makes every one of `names` due again, whatever was told.
    fn owe(&mut self, kind: Kind, names: &[String], view: View<'_>) {
        for name in names {
            self.ledger.sent_states.remove(name);
            if let Some(item) = view.find(kind, name) {
                self.ledger.sent_states.remove(&item.name);
            }
        }
    }

    /// Forgets what the client drops with `names`, unless another name leads to it. Under `*`
    /// it may still want it, and is owed the present state; of a name that never was, nothing.
    fn release<'n>(
        &mut self,
        kind: Kind,
        names: impl IntoIterator<Item = &'n String>,
        view: View<'_>,
    ) {
        let wanted = self.wanted_names(kind, view);
        for name in names {
            let real = view.find(kind, name).map_or(name, |item| &item.name);
            if self.subscription.wildcard {
                if self.ledger.sent_states.contains_key(real) || view.find(kind, name).is_some() {
                    self.ledger
                        .sent_states
                        .insert(real.clone(), SentState::Something);
                }
            } else if !wanted.contains(real) {
                self.ledger.sent_states.remove(real);
            }
        }
    }

    fn wanted_names(&self, kind: Kind, view: View<'_>) -> BTreeSet<String> {
        let names = self.subscription.names.iter();
        let real = names.map(|name| view.find(kind, name).map_or(name, |item| &item.name));
        real.cloned().collect()
    }

    /// Makes it due again, whatever was told of it.
    fn forget(&mut self, name: &str) {
        if !matches!(
            self.ledger.sent_states.get(name),
            Some(SentState::Something)
        ) {
            self.ledger.sent_states.remove(name);
        }
    }

    /// "There is none" is worth remembering only for names that are still asked for.
    fn forget_unasked_absences(&mut self) {
        let names = &self.subscription.names;
        let told = &mut self.ledger.sent_states;
        told.retain(|name, told| !matches!(told, SentState::Absent) || names.contains(name));
    }
}
