//! The states of RFC 9113 5.1, as two directions.
//!
//! | RFC                  | sending       | receiving     |
//! |----------------------|---------------|---------------|
//! | idle, closed         | no entry in the table, see `closed` |
//! | open                 | not `Ended`   | not `Ended`   |
//! | half-closed (local)  | `Ended`       | not `Ended`   |
//! | half-closed (remote) | not `Ended`   | `Ended`       |
//!
//! A reset from either side removes the stream. Nothing is pushed or reserved here.

/// What may still come from the peer.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Receiving {
    /// Client: the final response head, perhaps behind 1xx heads.
    Head,
    /// Body and trailers; with a content-length, so many octets.
    Body { octets_left: Option<u64> },
    /// The message is malformed: input is ignored until the owner answers and resets.
    Malformed,
    /// END_STREAM came.
    Ended,
}

impl Receiving {
    /// Behind a head with this content-length.
    pub(crate) fn body(content_length: Option<u64>) -> Receiving {
        Receiving::Body {
            octets_left: content_length,
        }
    }
}

/// What may still go to the peer.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Sending {
    /// Server: the final response head.
    Head,
    /// Body and trailers.
    Body,
    /// The owner gave the end; it waits behind queued data.
    Ending,
    /// END_STREAM is in the output.
    Ended,
}
