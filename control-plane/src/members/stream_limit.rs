//! Limits the open ADS and announcement streams of a member, over all its connections.
//!
//! Each stream costs a task, and an ADS stream also the state of what was sent.

#![expect(
    clippy::disallowed_types,
    reason = "beside the data path: the lock is held for a look into a map"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tonic::Status;

use crate::members::MemberId;

/// Most streams of one member at once, ADS and announcements together. 8: a sidecar has two, and two
/// more for each connection that it has lost and we have not noticed yet.
const STREAMS_MAX: usize = 8;

/// The streams of all members; clones count the same ones.
#[derive(Clone, Debug, Default)]
pub struct StreamLimiter(Arc<Mutex<BTreeMap<MemberId, usize>>>);

/// The slot of an open stream. Dropped, the slot is free.
#[derive(Debug)]
pub struct StreamSlot {
    streams: StreamLimiter,
    member: MemberId,
}

impl StreamLimiter {
    /// A stream of `member` begins.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED: it has 8.
    pub fn open(&self, member: MemberId) -> Result<StreamSlot, Status> {
        let mut all = self.lock();
        let count = all.entry(member).or_default();
        if *count >= STREAMS_MAX {
            return Err(Status::resource_exhausted(format!(
                "this member has {STREAMS_MAX} streams open, and may have no more"
            )));
        }
        *count += 1;
        let streams = self.clone();
        Ok(StreamSlot { streams, member })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<MemberId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        let mut all = self.streams.lock();
        let left = all.remove(&self.member).unwrap_or(0).saturating_sub(1);
        if left > 0 {
            all.insert(self.member, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_has_eight_streams_and_others_theirs() {
        let streams = StreamLimiter::default();
        let [one, other] = [1, 2].map(|number| MemberId::new([number; 8]));
        let mut places: Vec<_> = (0..8).map(|_| streams.open(one)).collect();
        assert!(places.iter().all(Result::is_ok));
        assert!(streams.open(one).is_err());
        assert!(streams.open(other).is_ok());
        places.pop();
        assert!(streams.open(one).is_ok());
        drop(places);
        assert!(streams.lock().is_empty());
    }
}
