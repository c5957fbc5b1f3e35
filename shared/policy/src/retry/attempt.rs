//! What is known when an attempt has ended: of the attempt, and of its call.

use std::time::Duration;

use super::Pushback;
use crate::Code;

/// Did the application see the request? Decided where the fact is known, never guessed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Processed {
    /// It did: it answered.
    Yes,
    /// Surely not: connect failure, refused stream, id above a GOAWAY, or the mark of a
    /// verified peer.
    No,
    /// Nobody can tell.
    Unknown,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptEnd {
    /// Its status, ours or the server's.
    pub code: Code,
    /// Did the application see it?
    pub processed: Processed,
    /// What the server said about retrying.
    pub pushback: Option<Pushback>,
    /// The server said that it did nothing: the stream was refused, or above the last id of a GOAWAY
    /// (RFC 9113 8.7, 6.8).
    pub refused: bool,
}

/// What else the decision needs to know of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallFacts {
    /// The method is declared idempotent.
    pub idempotent: bool,
    /// Attempts that ended so far, this one included, free replays not.
    pub attempts: u8,
    /// The whole request so far is still held.
    pub replayable: bool,
    /// Response headers have been passed on.
    pub committed: bool,
    /// Time until the call's deadline; `None` without one.
    pub remaining: Option<Duration>,
    /// Policy may retry here: false on inbound hops and for calls made on behalf of a retry.
    pub may_retry: bool,
    /// The one free replay of this call is gone.
    pub free_replay_used: bool,
}
