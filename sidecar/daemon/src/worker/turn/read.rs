//! Reads from the sockets, and gives each connection its share of a turn.
//!
//! A share has at most [`BYTES_PER_TURN`], and ends after the read that brings [`HEADS_PER_TURN`] heads.
//! Heads are most of the work: with HPACK one takes 15 octets and some microseconds, so a read of
//! 64 KiB could keep all other callers waiting for 15 ms. So a connection that sends many of them is
//! read in small pieces.

use std::io::{ErrorKind, Read};

use outrider_engine::{CloseCause, ConnectionId};
use outrider_policy::Tick;

use super::{Worker, ending};

/// Bytes read from one connection in one turn.
const BYTES_PER_TURN: usize = 256 << 10;

/// Heads of requests and answers after which a connection's share of a turn is over.
const HEADS_PER_TURN: u64 = 256;

/// Bytes of the shortest read: about 270 of the shortest heads.
const READ_BYTES_MIN: usize = 4 << 10;

impl Worker {
    pub(super) fn read(&mut self, now: Tick) {
        for key in self.sockets.take_to_read() {
            if self.sockets.discard(key, &mut self.buffer) {
                continue;
            }
            match self.read_one(now, key) {
                // The engine answers with `Close`, before anything is listed again.
                Some((id, how)) => self.engine.closed(now, id, how),
                // Unfinished, it goes on in the next turn, after the others.
                None => self.sockets.list_to_read(key),
            }
            // One turn may take in more than there is room for.
            if self.memory.is_limited() {
                self.watch_memory(self.clock.now());
            }
        }
    }

    /// Reads one connection's share of the turn; says when the connection is over and how.
    fn read_one(&mut self, now: Tick, key: usize) -> Option<(ConnectionId, CloseCause)> {
        let socket = self.sockets.by_key(key)?;
        let began = self.engine.heads_received();
        let (mut taken, mut heads) = (0, 0);
        while taken < BYTES_PER_TURN && heads < HEADS_PER_TURN {
            let room = socket.read_bytes.min(self.buffer.len());
            match socket.stream.read(&mut self.buffer[..room]) {
                Ok(0) => return Some((socket.id, CloseCause::Eof)),
                Ok(length) => {
                    taken += length;
                    self.engine.received(now, socket.id, &self.buffer[..length]);
                    let heads_before = heads;
                    heads = self.engine.heads_received() - began;
                    socket.read_bytes = next_read(room, self.buffer.len(), heads - heads_before);
                    // A short read has emptied the socket (epoll(7)), unless its end waits too.
                    if length < room && !socket.ending {
                        socket.readable = false;
                        return None;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    socket.readable = false;
                    return None;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Some((socket.id, ending(&error))),
            }
        }
        None
    }
}

/// Bytes of the next read, after one of at most `room` that brought `heads`.
fn next_read(room: usize, buffer: usize, heads: u64) -> usize {
    match heads > HEADS_PER_TURN {
        true => (room / 2).max(READ_BYTES_MIN),
        false => (room * 2).min(buffer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUFFER: usize = 64 << 10;

    #[test]
    fn reads_grow_to_the_buffer_and_shrink_while_many_heads_come() {
        let grown = [8, 16, 32, 64, 64].map(|kib: usize| kib << 10);
        for pair in grown.windows(2) {
            assert_eq!(next_read(pair[0], BUFFER, HEADS_PER_TURN), pair[1]);
        }
        let shrunk = [64, 32, 16, 8, 4, 4].map(|kib: usize| kib << 10);
        for pair in shrunk.windows(2) {
            assert_eq!(next_read(pair[0], BUFFER, HEADS_PER_TURN + 1), pair[1]);
        }
    }
}
