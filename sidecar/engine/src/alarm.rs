//! What is due: each timer's one consequence.

use crate::call::AttemptError;
use crate::contain::Subject;
use crate::contract::ConnectionId;
use crate::engine::Engine;
use crate::fuse::At;
use crate::record::EndCause;
use crate::timers::Timer;

impl Engine {
    pub(crate) fn fire(&mut self, timer: Timer) {
        if let Subject::Call(_) = timer.subject() {
            self.fuse.burn(At::Call);
        }
        match timer {
            Timer::Deadline(id) => {
                if let Some(call) = self.calls.get_mut(id.0 as usize) {
                    call.deadline_timer = None;
                }
                self.deadline_passed(id);
            }
            Timer::PerTry(id) => self.try_timed_out(id),
            Timer::BackOff(id) => self.try_again(id),
            Timer::Patience(id) => self.patience_over(id),
            Timer::Lines => self.look_at_lines(),
            Timer::Connect(id) => {
                self.disown_timer(id);
                self.connect_due(id);
            }
            Timer::Handshake(id) => {
                self.disown_timer(id);
                self.give_up(id, EndCause::Handshake, "the connection timed out");
            }
            Timer::Linger(id) => {
                self.disown_timer(id);
                self.lose(id, "the connection timed out");
            }
            Timer::FinalGoaway(id) => {
                self.disown_timer(id);
                self.final_goaway(id);
            }
            Timer::Blocked(id) => self.connection_blocked(id),
            Timer::Gather(id) => self.gathered(id),
            Timer::Look(id) => self.look(id),
            Timer::Block(id) => self.block_timed_out(id),
            Timer::DrainOver => self.drain_over(),
            Timer::DrainPause => self.pause_over(),
        }
    }

    /// The connection is over without a goodbye: there is nobody to take it.
    pub(crate) fn lose(&mut self, id: ConnectionId, words: &str) {
        self.connection_lost(id, &AttemptError::lost(words.to_owned()));
        self.forget_connection(id);
    }

    fn disown_timer(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connection_mut(id) {
            connection.timer = None;
        }
    }
}
