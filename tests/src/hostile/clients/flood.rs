//! Many frames as fast as they go.

use crate::raw::{Peer, Sent};

/// Are answers read meanwhile?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answers {
    Read,
    Unread,
}

/// Octets that are collected before they are sent.
const BATCH_BYTES: usize = 64 << 10;

/// Sends what `piece` makes of 0, 1, 2 ... until `times`, unless the proxy closes or stalls before.
pub(super) async fn flood(
    peer: &mut Peer,
    answers: Answers,
    times: usize,
    mut piece: impl FnMut(usize) -> Vec<u8>,
) -> Sent {
    let mut batch = Vec::with_capacity(2 * BATCH_BYTES);
    for index in 0..times {
        batch.extend(piece(index));
        if batch.len() < BATCH_BYTES && index + 1 < times {
            continue;
        }
        let sent = match answers {
            Answers::Read => peer.send_reading(&batch).await,
            Answers::Unread => peer.send_octets(&batch).await,
        };
        if sent != Sent::All {
            return sent;
        }
        batch.clear();
    }
    Sent::All
}

/// Numbers of client streams: 1, 3, 5 ...
pub(super) fn stream(index: usize) -> u32 {
    2 * index as u32 + 1
}
