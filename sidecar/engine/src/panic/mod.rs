//! A panic ends what it may have torn, and nothing else.
//!
//! While events are handled, `scope` says whose they are. A panic that unwinds to [`guarded`]
//! ends that call with INTERNAL, or that connection with its calls; a codec that was left in the
//! middle of a step (`net/codec.rs`) ends its connection, whichever call was handled. What is thrown away goes
//! the usual way out if that can still be gone, else by force, and each call in it still ends in
//! one record. Sums that the panic may have left wrong are computed again in `rebuild.rs`, at the end of
//! the turn, before the loop gets any action.
//!
//! A panic in here, or in the making of sums, is not contained: it ends the process.
//!
//! [`guarded`]: Engine::guarded

pub(crate) mod failpoint;
mod rebuild;

use std::panic::{AssertUnwindSafe, catch_unwind};

use outrider_policy::{Class, Code, Reason};

use crate::call::AttemptError;
use crate::contract::{Action, Contained};
use crate::engine::Engine;
use crate::ids::{CallId, ConnectionId, Scope};
use crate::net::connection::Role;
use crate::record::Outcome;
use crate::refusal::Refusal;

/// The message to the caller; the place of the panic is in the log of the sidecar.
pub(crate) const SENTENCE: &str = "this sidecar has a bug that ended the call; its log says where";

impl Engine {
    /// Does `work`. `None`: it panicked, and what it may have torn is thrown away or will be before
    /// the next action.
    pub(crate) fn guarded<R>(&mut self, work: impl FnOnce(&mut Engine) -> R) -> Option<R> {
        // Whatever of the engine may be seen half-changed is what `recover` and `rebuild_after_panic` mend.
        let result = catch_unwind(AssertUnwindSafe(|| work(self)));
        if result.is_err() {
            self.recover();
        }
        result.ok()
    }

    /// Does `work`, which is about `scope` whatever the events around it are about.
    pub(crate) fn in_scope(&mut self, scope: Scope, work: impl FnOnce(&mut Engine)) {
        let outer = std::mem::replace(&mut self.scope, scope);
        self.guarded(work);
        self.scope = outer;
    }

    /// Tells one call of several something: a panic is this call's alone.
    pub(crate) fn for_call(&mut self, id: CallId, work: impl FnOnce(&mut Engine)) {
        self.in_scope(Scope::Call(id), work);
    }

    fn recover(&mut self) {
        self.rebuild_due = true;
        self.calls.note_panic();
        match std::mem::take(&mut self.scope) {
            Scope::None => self.count_contained(Contained::Nothing),
            Scope::UnkeptCall => self.count_contained(Contained::Call),
            Scope::Call(id) => self.end_damaged_call(id),
            Scope::Connection(id) => {
                if let Some(connection) = self.connection_mut(id) {
                    connection.http2.condemn();
                }
            }
        }
    }

    fn count_contained(&mut self, ended: Contained) {
        self.counters.contained_panics[ended as usize] += 1;
        self.actions.push_back(Action::Contained(ended));
    }

    fn end_damaged_call(&mut self, id: CallId) {
        let Some(call) = self.calls.at(id) else {
            return self.count_contained(Contained::Nothing);
        };
        let over = call.response.over;
        self.count_contained(Contained::Call);
        let in_order = catch_unwind(AssertUnwindSafe(|| match over {
            Some((code, class)) => self.finish(id, code, class),
            None => self.end_refused(id, Refusal::late(Reason::SidecarFault, SENTENCE)),
        }));
        if in_order.is_err() {
            self.drop_call(id);
        }
    }

    /// Removes the call without running its steps. `rebuild_after_panic` drops what still names it.
    fn drop_call(&mut self, id: CallId) {
        if let Some(call) = self.calls.remove(id) {
            let refused = Outcome::Refused(Reason::SidecarFault);
            let (outcome, (code, class)) = match call.response.over {
                Some(over) => (Outcome::Answered, over),
                None => (refused, (Code::Internal, Class::Neutral)),
            };
            self.record(call, outcome, code, class, Some(SENTENCE.to_owned()));
        }
    }

    /// Ends a connection whose state is damaged, without a GOAWAY; its calls end with an error.
    pub(crate) fn end_damaged_connection(&mut self, id: ConnectionId) {
        self.count_contained(Contained::Connection);
        let words = "this sidecar has a bug that ended the connection; its log says where";
        let in_order = catch_unwind(AssertUnwindSafe(|| {
            self.connection_lost(id, &AttemptError::lost(words.to_owned()));
            self.forget_connection(id);
        }));
        if in_order.is_err() {
            self.drop_connection(id);
        }
    }

    fn drop_connection(&mut self, id: ConnectionId) {
        if self.connection(id).is_none() {
            return;
        }
        self.end_handshake(id);
        let connection = self.connections.remove(id.slot as usize);
        self.counters.note_limits(&connection);
        if let Role::Upstream(upstream) = &connection.role
            && let Ok(mut known) = upstream.endpoint.connections.try_borrow_mut()
        {
            known.retain(|known| *known != id);
        }
        self.actions.push_back(Action::Close(id));
    }
}

#[cfg(test)]
mod tests;
