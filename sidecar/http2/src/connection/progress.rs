//! Finds input that does not finish and output that the peer does not read.
//!
//! Costs nothing until it is called. The owner keeps the timers and decides how long is too long.

use std::time::Duration;

use super::Connection;
use super::role::Role;
use crate::StreamId;

impl Connection {
    /// The number of the unfinished header block or buffered frame, if there is one. Each has its own
    /// number, so the owner can tell one slow block from many quick ones.
    pub fn unfinished(&self) -> Option<u64> {
        match &self.block {
            Some(block) => Some(block.frame),
            None => self.reader.is_inside_frame().then_some(self.frames + 1),
        }
    }

    /// Streams opened so far, by us or by the peer.
    pub fn streams_opened(&self) -> u32 {
        let behind = match self.role {
            Role::Client { next } => next.map_or(u32::MAX, StreamId::value),
            Role::Server { last } => last.value().saturating_add(1),
        };
        behind / 2
    }

    /// Streams whose queued octets have not moved for `longest`, as seen by earlier calls. Call several
    /// times within `longest`.
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
