//! For how long a peer is believed: its certificate ends, or its root leaves the bundle.
//!
//! Timers run on the monotonic clock and validity on the wall clock, so every look asks the wall
//! clock again. A connection is replaced in good order before a certificate of either end expires;
//! what still runs at the expiry of the peer's is cut off.

use std::time::Duration;

use outrider_policy::{Tick, jittered};
use rustls::pki_types::CertificateDer;

use super::{LifetimeState, Span};
use crate::engine::Engine;
use crate::ids::{ConnectionId, Scope};
use crate::net::connection::{Connection, Role};
use crate::net::tls::{PeerRole, TlsMaterial};
use crate::record::EndCause;

/// Time to finish calls on a connection whose peer has just lost our trust. Promised: gone in 5 s.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// A connection is replaced so long before a certificate ends, at the earliest twice as long.
const MARGIN_MAX: Duration = Duration::from_secs(60);

impl Span {
    /// When the connection is replaced, and why, where its age may be at most `age`.
    pub(super) fn end(self, age: Option<Duration>) -> (Tick, EndCause) {
        let certificate = (self.certificate, EndCause::Certificate);
        let age = age.map(|age| (self.since + jittered(age, self.random), EndCause::Age));
        age.filter(|age| age.0 < certificate.0)
            .unwrap_or(certificate)
    }
}

impl Engine {
    /// The handshake is done: the peer's certificate is good until `expires_unix`, and the
    /// connection is to be replaced at its age or before either certificate ends.
    pub(crate) fn begin_trust(&mut self, id: ConnectionId, expires_unix: u64) {
        let Some(material) = self.material.clone() else {
            return;
        };
        let ends_unix = expires_unix.min(material.expires_unix());
        let left = Duration::from_secs(ends_unix.saturating_sub(material.now_unix()));
        let random = self.random.next_u64();
        let margin = (left / 10).min(MARGIN_MAX).mul_f64(1.0 + share(random));
        let span = Span {
            since: self.now,
            certificate: self.now + left.saturating_sub(margin),
            random,
        };
        let age = self.lifetimes(id).age;
        if let Some(connection) = self.connection_mut(id) {
            connection.lifetime.expires_unix = Some(expires_unix);
            connection.lifetime.span = Some(span);
            connection.lifetime.replace = Some(span.end(age));
        }
    }

    /// When the peer's certificate ends, by the wall clock as it stands.
    pub(super) fn expires_at(&self, lifetime: &LifetimeState) -> Option<Tick> {
        let (expires_unix, material) = (lifetime.expires_unix?, self.material.as_ref()?);
        // Good through its last second.
        let left = (expires_unix + 1).saturating_sub(material.now_unix());
        Some(self.now + Duration::from_secs(left))
    }

    pub(super) fn is_believed(&self, id: ConnectionId) -> bool {
        let Some(connection) = self.connection(id) else {
            return true;
        };
        let life = &connection.lifetime;
        let ends = [self.expires_at(life), life.distrusted_at];
        ends.into_iter().flatten().all(|end| self.now < end)
    }

    /// New material: the clock may have jumped since the last, and the bundle may have shrunk. A peer
    /// that has shown its certificate is judged again at once; one whose handshake runs, at its end.
    pub(crate) fn recheck_peers(&mut self, before: Option<&TlsMaterial>) {
        let Some(material) = self.material.clone() else {
            return;
        };
        if before.is_none_or(|before| before.believes_same_roots(&material)) {
            return;
        }
        for (_, connection) in &mut self.connections {
            connection.lifetime.is_doubted = connection.lifetime.expires_unix.is_none();
        }
        for id in self.unbelieved_ids(&material) {
            self.in_scope(Scope::Connection(id), |engine| engine.distrust(id));
        }
    }

    fn unbelieved_ids(&self, material: &TlsMaterial) -> Vec<ConnectionId> {
        let connections = self.connections.iter();
        let secured = connections.filter(|(_, it)| it.lifetime.expires_unix.is_some());
        let unbelieved = secured.filter(|(_, it)| {
            let transport = it.transport.as_ref();
            transport.is_some_and(|transport| !is_vouched_for(it, transport.peer_chain(), material))
        });
        unbelieved.map(|(slot, it)| it.id(slot)).collect()
    }

    /// A handshake has ended well under the bundle that it began with. Would it under today's?
    pub(crate) fn is_handshake_believed(
        &self,
        id: ConnectionId,
        chain: &[CertificateDer<'_>],
    ) -> bool {
        let doubted = self.connection(id).filter(|it| it.lifetime.is_doubted);
        doubted
            .zip(self.material.as_ref())
            .is_none_or(|(connection, material)| is_vouched_for(connection, chain, material))
    }

    /// The peer's root was withdrawn: no new streams, and a moment for those that run.
    fn distrust(&mut self, id: ConnectionId) {
        let (now, end) = (self.now, self.now + LAST_WORDS);
        if let Some(connection) = self.connection_mut(id) {
            connection.lifetime.distrusted_at.get_or_insert(end);
            connection.lifetime.replace = Some((now, EndCause::Certificate));
        }
        self.replace_if_due(id);
        self.schedule_maintenance(id, Some(end));
    }
}

fn is_vouched_for(
    connection: &Connection,
    chain: &[CertificateDer<'_>],
    material: &TlsMaterial,
) -> bool {
    let role = match connection.role {
        Role::Downstream { .. } => PeerRole::Client,
        Role::Upstream(_) => PeerRole::Server,
    };
    material.believes(chain, role)
}

/// A number of 0 to 1.
pub(super) fn share(random: u64) -> f64 {
    f64::from((random >> 32) as u32) / f64::from(u32::MAX)
}
