//! The moment for which a call is held whose caller takes back what it opens, again and again.
//!
//! A call that is cancelled in that moment was sent to no backend (CVE-2023-44487); any other goes on
//! as if it had come a moment later. When, and until when, is decided in `http2` by the budget of resets.

use outrider_policy::Tick;

use super::Phase;
use crate::engine::Engine;
use crate::ids::CallId;
use crate::timers::Timer;

impl Engine {
    /// Before its first attempt: is it to wait? Then it does, and is tried when the wait is over.
    pub(super) fn is_held(&mut self, id: CallId) -> bool {
        let Some(call) = self.calls.at(id) else {
            return false;
        };
        let until = self
            .connection(call.downstream)
            .and_then(|connection| connection.http2.held_until(call.stream));
        let Some(until) = until else {
            return false;
        };
        let due = u64::try_from(until.as_nanos()).map_or(self.now, Tick::from_nanos);
        let timer = self.timers.arm(due, Timer::BackOff(id));
        if let Some(call) = self.calls.at_mut(id) {
            call.phase = Phase::BackingOff(timer);
        }
        true
    }
}
