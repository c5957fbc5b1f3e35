//! How connections end before their peers end them: in good order, cut off, or dropped.

use outrider_http2::{ErrorCode, GoawayKind};

use outrider_policy::Reason;

use crate::call::AttemptError;
use crate::engine::Engine;
use crate::ids::ConnectionId;
use crate::net::connection::{DrainStep, Role};
use crate::record::EndCause;
use crate::refusal::Refusal;

/// The reason that calls get when the peer of their connection is no longer trusted.
const UNBELIEVED: &str = "the certificate at the other end of this connection has ended";

impl Engine {
    pub(crate) fn count_end(&mut self, id: ConnectionId, cause: EndCause) {
        let Some(connection) = self.connection(id) else {
            return;
        };
        let is_upstream = matches!(connection.role, Role::Upstream(_));
        self.counters.ended[usize::from(is_upstream)][cause as usize] += 1;
    }

    /// The connection is over without a goodbye.
    pub(crate) fn give_up(&mut self, id: ConnectionId, cause: EndCause, words: &str) {
        self.count_end(id, cause);
        self.close_as_lost(id, words);
    }

    pub(super) fn replace_if_due(&mut self, id: ConnectionId) {
        let now = self.now;
        let replace = self.connection_mut(id).and_then(|it| {
            let is_due = it.lifetime.replace.is_some_and(|(at, _)| at <= now);
            is_due.then(|| it.lifetime.replace.take()).flatten()
        });
        if let Some((_, cause)) = replace {
            self.end_in_good_order(id, cause);
        }
    }

    pub(super) fn end_idle(&mut self, id: ConnectionId) {
        self.end_in_good_order(id, EndCause::Idle);
        // What does not go in good order is looked at like any other.
        self.schedule_maintenance(id, None);
    }

    /// No new streams; those that run are left to finish, however long that takes.
    fn end_in_good_order(&mut self, id: ConnectionId, cause: EndCause) {
        let Some(connection) = self.connection(id) else {
            return;
        };
        let is_upstream = matches!(connection.role, Role::Upstream(_));
        if !super::is_open(connection) {
            return;
        }
        self.count_end(id, cause);
        if is_upstream {
            self.retire(id);
        } else {
            self.notice(id);
        }
    }

    /// The peer is not believed any more: calls that still run get a status, then it is over.
    pub(super) fn close_distrusted(&mut self, id: ConnectionId) {
        self.count_end(id, EndCause::Distrusted);
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        connection
            .http2
            .goaway(ErrorCode::NoError, GoawayKind::Final);
        match &mut connection.role {
            Role::Downstream { drain, .. } => {
                *drain = DrainStep::Final;
                let mut calls: Vec<_> = connection.streams.values().copied().collect();
                calls.sort_unstable();
                for call in calls {
                    let refusal = Refusal::late(Reason::Draining, UNBELIEVED);
                    self.for_call(call, |engine| engine.end_refused(call, refusal));
                }
                self.flush_and_close(id, None);
            }
            Role::Upstream(_) => {
                self.connection_lost(id, &AttemptError::lost(UNBELIEVED.to_owned()));
            }
        }
    }
}
