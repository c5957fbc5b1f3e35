//! What is due: each timer's one consequence.

use crate::call::AttemptError;
use crate::engine::Engine;
use crate::ids::{ConnectionId, Scope};
use crate::panic::failpoint::Failpoint;
use crate::record::EndCause;
use crate::timers::Timer;

impl Engine {
    pub(crate) fn on_timer(&mut self, timer: Timer) {
        if let Scope::Call(_) = timer.scope() {
            self.failpoints.hit(Failpoint::Call);
        }
        match timer {
            Timer::Deadline(id) => {
                if let Some(call) = self.calls.at_mut(id) {
                    call.deadline_timer = None;
                }
                self.deadline_passed(id);
            }
            Timer::PerTry(id) => self.try_timed_out(id),
            Timer::BackOff(id) => self.attempt_again(id),
            Timer::WaitOver(id) => self.wait_over(id),
            Timer::Lines => self.recheck_lines(),
            Timer::Connect(id) => {
                self.clear_timer(id);
                self.connect_due(id);
            }
            Timer::Handshake(id) => {
                self.clear_timer(id);
                self.give_up(id, EndCause::Handshake, "the connection timed out");
            }
            Timer::Linger(id) => {
                self.clear_timer(id);
                self.close_as_lost(id, "the connection timed out");
            }
            Timer::FinalGoaway(id) => {
                self.clear_timer(id);
                self.final_goaway(id);
            }
            Timer::Blocked(id) => self.connection_blocked(id),
            Timer::Gather(id) => self.gathered(id),
            Timer::Maintain(id) => self.maintain(id),
            Timer::Block(id) => self.block_timed_out(id),
            Timer::DrainOver => self.drain_over(),
            Timer::DrainPause => self.pause_over(),
        }
    }

    /// Closes the connection without a GOAWAY: its peer is gone.
    pub(crate) fn close_as_lost(&mut self, id: ConnectionId, words: &str) {
        self.connection_lost(id, &AttemptError::lost(words.to_owned()));
        self.forget_connection(id);
    }

    fn clear_timer(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connection_mut(id) {
            connection.timer = None;
        }
    }
}
