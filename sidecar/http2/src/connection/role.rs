//! Which end of the connection we are, and whose stream numbers are next (RFC 9113 5.1.1).

use crate::StreamId;

#[derive(Copy, Clone, Debug)]
pub(super) enum Role {
    /// We open streams; `None` when the numbers are used up.
    Client { next: Option<StreamId> },
    /// The peer opens streams; the highest it used, 0 before the first.
    Server { last: StreamId },
}

impl Role {
    /// The highest number the peer used for a stream of its own.
    pub(super) fn last_of_peer(self) -> StreamId {
        match self {
            Role::Client { .. } => StreamId::CONNECTION,
            Role::Server { last } => last,
        }
    }

    /// Whether the stream was never opened: anything but HEADERS and PRIORITY on it breaks the
    /// protocol. Even numbers always are: nothing is pushed.
    pub(super) fn is_idle(self, id: StreamId) -> bool {
        match self {
            _ if !id.is_clients() => true,
            Role::Client { next } => next.is_some_and(|next| id >= next),
            Role::Server { last } => id > last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_is_what_nobody_opened() {
        let id = StreamId::new;
        let client = Role::Client { next: Some(id(5)) };
        let server = Role::Server { last: id(5) };
        for (number, to_client, to_server) in [
            (3, false, false),
            (4, true, true),
            (5, true, false),
            (7, true, true),
        ] {
            assert_eq!(client.is_idle(id(number)), to_client, "{number}");
            assert_eq!(server.is_idle(id(number)), to_server, "{number}");
        }
        assert!(!Role::Client { next: None }.is_idle(StreamId::MAX));
    }
}
