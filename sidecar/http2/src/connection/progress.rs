//! What the owner of the timers asks: what has begun and does not end, what is held and not taken.
//!
//! Costs nothing while nobody asks. Which span is too long is the owner's word.

use std::time::Duration;

use super::Connection;
use super::role::Role;
use crate::StreamId;

impl Connection {
    /// A header block, or another frame that is coalesced, has begun and is not whole. The number is
    /// another one for each, so that an owner can tell one slow block from many quick ones.
    pub fn unfinished(&self) -> Option<u64> {
        match &self.block {
            Some(block) => Some(block.frame),
            None => self.reader.is_inside_frame().then_some(self.frames + 1),
        }
    }

    /// Streams opened so far, by whichever end opens them.
    pub fn streams_opened(&self) -> u32 {
        let behind = match self.role {
            Role::Client { next } => next.map_or(u32::MAX, StreamId::value),
            Role::Server { last } => last.value().saturating_add(1),
        };
        behind / 2
    }

    /// Streams with octets of ours that the peer has taken none of for `longest`, as far as the
    /// calls before this one saw. To be asked several times in `longest`.
    pub fn stalled(&mut self, now: Duration, longest: Duration) -> Vec<StreamId> {
        let mut stalled = Vec::new();
        for stream in self.streams.iter_mut() {
            if stream.queue.is_empty() {
                stream.stuck_since = None;
                continue;
            }
            let since = *stream.stuck_since.get_or_insert(now);
            if now.saturating_sub(since) >= longest {
                stalled.push(stream.id);
            }
        }
        stalled.sort_unstable();
        stalled
    }
}
