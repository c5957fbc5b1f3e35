//! How long a connection lives: one look now and then decides all that is about time.
//!
//! No call arms or cancels a timer here. A connection in use is looked at every few seconds; one at
//! rest has at most one timer, for its idle end, its age or its certificate. Beginnings (handshake,
//! header block) are in `begin.rs`, what is held and not taken in `stalled.rs`, whom to believe for
//! how long in `trust.rs`, the ends in `end.rs`, new rules for what lives in `follow.rs`. The rules are
//! `policy`'s [`Lifetimes`].

mod begin;
mod end;
mod follow;
mod stalled;
mod trust;

use std::time::Duration;

use outrider_policy::{Keepalive, KeepaliveAction, KeepaliveRules, Lifetimes, Tick};

use crate::engine::Engine;
use crate::ids::{ConnectionId, Side};
use crate::net::connection::{Connection, DrainStep, Role};
use crate::record::EndCause;
use crate::timers::{Timer, TimerKey};

/// What a ping says; its answer says the same.
const PING: [u8; 8] = *b"presence";

/// What is known of a connection's life.
#[derive(Debug, Default)]
pub(crate) struct LifetimeState {
    /// When it was accepted, or asked for.
    pub(crate) began_at: Tick,
    /// When the next look is due, and its timer.
    look: Option<(Tick, TimerKey)>,
    /// It has begun: streams may be opened.
    begun: bool,
    /// Nothing is open or buffered and no ping is out: maintenance may be rare until something comes.
    pub(crate) is_resting: bool,
    /// When the last octet came.
    pub(crate) last_received: Tick,
    /// Since when octets wait and the socket takes none, as the turns before saw it.
    pub(crate) output_since: Option<Tick>,
    keepalive: Keepalive,
    /// As the last look saw it: streams opened so far, and since when none was open.
    streams_opened: u32,
    rests_since: Option<Tick>,
    /// When it is replaced in good order, and why.
    replace: Option<(Tick, EndCause)>,
    /// Last second of the peer's certificate. Seconds since 1970-01-01 UTC.
    pub(crate) expires_unix: Option<u64>,
    /// The trust bundle has changed since the handshake began.
    is_doubted: bool,
    /// When a connection that is not believed any more is cut off.
    distrusted_at: Option<Tick>,
    /// The inputs of the time of its replacement.
    span: Option<Span>,
    /// The frame that has begun and is not whole.
    block: Option<Block>,
}

/// How long a connection between sidecars may last.
#[derive(Clone, Copy, Debug)]
struct Span {
    /// When the handshake was over.
    since: Tick,
    /// When it is replaced because a certificate of either end ends soon.
    certificate: Tick,
    /// What its age is jittered by.
    random: u64,
}

/// A frame under way.
#[derive(Clone, Copy, Debug)]
struct Block {
    number: u64,
    began_at: Tick,
    timer: TimerKey,
}

impl Engine {
    /// Is the peer of this connection another sidecar, by configuration? Such a peer reads whatever
    /// comes, so one that acknowledges nothing for long has vanished.
    pub fn is_between_sidecars(&self, id: ConnectionId) -> bool {
        self.connection(id).is_some_and(|it| match &it.role {
            Role::Downstream { side, .. } => *side == Side::Inbound,
            Role::Upstream(upstream) => upstream.cluster.is_secured(),
        })
    }

    /// Streams may be opened: from now on the connection is looked at.
    pub(crate) fn begin_lifetime(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        if std::mem::replace(&mut connection.lifetime.begun, true) {
            return;
        }
        connection.lifetime.last_received = now;
        connection.lifetime.is_resting = true;
        connection.lifetime.rests_since = Some(now);
        self.schedule_maintenance(id, None);
    }

    /// Octets came, or a stream is opened: a connection at rest is looked at again.
    pub(crate) fn note_activity(&mut self, id: ConnectionId) {
        let soon = self.now + self.maintenance_interval(id);
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        connection.lifetime.is_resting = false;
        self.schedule_maintenance(id, Some(soon));
    }

    /// Looks after a connection.
    pub(crate) fn maintain(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        connection.lifetime.look = None;
        if connection.closing {
            return;
        }
        if !self.is_believed(id) {
            return self.close_distrusted(id);
        }
        self.replace_if_due(id);
        if self.is_output_stuck(id) {
            return self.give_up(id, EndCause::Stalled, "the peer takes nothing");
        }
        self.reset_stalled(id);
        let asked_until = match self.presence(id) {
            KeepaliveAction::PeerLost => {
                return self.give_up(id, EndCause::Silent, "the peer has vanished");
            }
            KeepaliveAction::Ping(until) => {
                self.ping(id);
                Some(until)
            }
            KeepaliveAction::CheckAt(until) => Some(until),
            KeepaliveAction::Nothing => None,
        };
        self.note_rest(id, asked_until.is_some());
        if self.is_idle_too_long(id) {
            return self.end_idle(id);
        }
        let is_resting = self.connection(id).is_none_or(|it| it.lifetime.is_resting);
        let soon = (!is_resting).then(|| self.now + self.maintenance_interval(id));
        self.schedule_maintenance(id, soon.into_iter().chain(asked_until).min());
    }

    fn presence(&mut self, id: ConnectionId) -> KeepaliveAction {
        let (now, rules) = (self.now, self.keepalive_rules(id));
        let (Some(rules), Some(connection)) = (rules, self.connection_mut(id)) else {
            return KeepaliveAction::Nothing;
        };
        let is_busy = connection.http2.open_streams() > 0;
        let life = &mut connection.lifetime;
        let (keepalive, presence) = life
            .keepalive
            .step(&rules, now, life.last_received, is_busy);
        life.keepalive = keepalive;
        presence
    }

    fn ping(&mut self, id: ConnectionId) {
        self.counters.keepalive_pings += 1;
        if let Some(http2) = self.http2(id) {
            http2.ping(PING);
        }
    }

    /// A server minds our pings: from now on it gets half as many.
    pub(crate) fn pinged_too_often(&mut self, id: ConnectionId) {
        self.counters.keepalive_complaints += 1;
        if let Some(upstream) = self.upstream_mut(id) {
            let complaints = &upstream.endpoint.ping_complaints;
            complaints.set(complaints.get().saturating_add(1));
        }
    }

    /// How this peer is asked whether it is there. A caller of ours that is no sidecar is not asked:
    /// it is on this machine, where the system says so when it ends.
    fn keepalive_rules(&self, id: ConnectionId) -> Option<KeepaliveRules> {
        let Lifetimes {
            keepalive,
            foreign_keepalive,
            ..
        } = self.lifetimes(id);
        let connection = self.connection(id)?;
        match (&connection.role, &connection.peer) {
            (_, Some(_)) => Some(keepalive),
            (Role::Upstream(upstream), None) => {
                Some(foreign_keepalive.backed_off(upstream.endpoint.ping_complaints.get()))
            }
            (Role::Downstream { .. }, None) => None,
        }
    }

    /// Notes whether anything is open or held, and since when nothing is.
    fn note_rest(&mut self, id: ConnectionId, is_asked: bool) {
        let now = self.now;
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        let opened = connection.http2.streams_opened();
        let is_busy = connection.http2.open_streams() > 0
            || opened != connection.lifetime.streams_opened
            || !connection.output().is_empty();
        let life = &mut connection.lifetime;
        life.streams_opened = opened;
        life.is_resting = !is_busy && !is_asked;
        life.rests_since = (!is_busy).then(|| life.rests_since.unwrap_or(now));
    }

    fn is_idle_too_long(&self, id: ConnectionId) -> bool {
        let idle_at = self.connection(id).and_then(|it| self.idle_at(it));
        idle_at.is_some_and(|idle_at| self.now >= idle_at)
    }

    /// When a connection without streams is closed, unless it is ending already.
    fn idle_at(&self, connection: &Connection) -> Option<Tick> {
        let idle = self.lifetimes_of(connection).idle?;
        let since = connection.lifetime.rests_since?;
        is_open(connection).then(|| since + idle)
    }

    pub(super) fn lifetimes(&self, id: ConnectionId) -> Lifetimes {
        let connection = self.connection(id);
        connection.map_or_else(Lifetimes::default, |it| *self.lifetimes_of(it))
    }

    /// The lifetimes of a connection: those of its cluster or of its listener. Connections to the
    /// local application belong to the inbound listener.
    fn lifetimes_of<'s>(&'s self, connection: &'s Connection) -> &'s Lifetimes {
        let snapshot = &self.configuration.snapshot;
        match &connection.role {
            Role::Upstream(upstream) if !upstream.cluster.is_app => {
                &upstream.cluster.config.policy.lifetimes
            }
            Role::Upstream(_) => &snapshot.listener(Side::Inbound).lifetimes,
            Role::Downstream { side, .. } => &snapshot.listener(*side).lifetimes,
        }
    }

    /// Between two looks at a connection in use: short against every limit that a look sees to.
    fn maintenance_interval(&self, id: ConnectionId) -> Duration {
        let Lifetimes { stalled, idle, .. } = self.lifetimes(id);
        let idle = idle.map(|idle| (idle / LOOKS_PER_STALL).max(IDLE_LOOK_MIN));
        let every = self.keepalive_rules(id).map(|rules| rules.every);
        let others = idle.into_iter().chain(every);
        others.fold(stalled / LOOKS_PER_STALL, Duration::min)
    }

    /// Arms the next look: at `soon`, or when the first of the far limits is reached.
    fn schedule_maintenance(&mut self, id: ConnectionId, soon: Option<Tick>) {
        let Some(connection) = self.connection(id) else {
            return;
        };
        let due = soon.into_iter().chain(self.far_dues(connection)).min();
        // The end of time does not come.
        let due = due.filter(|due| *due < Tick::MAX);
        let armed = connection.lifetime.look;
        if armed.map(|(at, _)| at) == due {
            return;
        }
        if let Some((_, timer)) = armed {
            self.timers.cancel(timer);
        }
        let look = due.map(|due| (due, self.timers.arm(due, Timer::Maintain(id))));
        if let Some(connection) = self.connection_mut(id) {
            connection.lifetime.look = look;
        }
    }

    fn far_dues(&self, connection: &Connection) -> impl Iterator<Item = Tick> + use<> {
        let life = &connection.lifetime;
        let idle_at = self.idle_at(connection).filter(|_| life.is_resting);
        let replaced_at = life.replace.map(|(at, _)| at);
        let expires_at = self.expires_at(life);
        [idle_at, replaced_at, expires_at, life.distrusted_at]
            .into_iter()
            .flatten()
    }

    /// The timers of a connection's life, given back when it goes.
    pub(crate) fn end_lifetime(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        let life = &mut connection.lifetime;
        let look = life.look.take().map(|(_, timer)| timer);
        let block = life.block.take().map(|block| block.timer);
        for timer in look.into_iter().chain(block) {
            self.timers.cancel(timer);
        }
    }
}

/// A stream is called stalled after eight to nine eighths of the time it has, a connection idle.
const LOOKS_PER_STALL: u32 = 8;

/// However little idleness is allowed, a connection in use is not looked at more often for it.
const IDLE_LOOK_MIN: Duration = Duration::from_millis(100);

/// Not told to go and not going: new streams are taken.
fn is_open(connection: &Connection) -> bool {
    let told = match &connection.role {
        Role::Downstream { drain, .. } => *drain != DrainStep::Open,
        Role::Upstream(upstream) => upstream.stage == crate::net::connection::Stage::Retired,
    };
    !told && !connection.closing
}
