//! The calls of a worker, by id.

use std::cell::Cell;

use slab::Slab;

use super::Call;
use crate::ids::CallId;

/// All calls that have begun and not ended. Boxed, so that a burst is not copied while the slab grows, and
/// leaves little behind.
#[derive(Default)]
pub(crate) struct Calls {
    slab: Slab<Box<Call>>,
    /// A panic was contained, and ids of calls that are gone may still be named somewhere.
    is_damaged: Cell<bool>,
}

impl Calls {
    /// Adds a call. Its id is free again after [`remove`](Calls::remove).
    pub(crate) fn insert(&mut self, call: Box<Call>) -> CallId {
        let slot = self.slab.insert(call);
        debug_assert!(u32::try_from(slot).is_ok(), "more calls than ids");
        CallId(u32::try_from(slot).unwrap_or(u32::MAX))
    }

    /// The call of this id, which exists: `None` is a bug, outside of the turn of a contained panic.
    pub(crate) fn at(&self, id: CallId) -> Option<&Call> {
        let found = self.slab.get(id.0 as usize);
        debug_assert!(found.is_some() || self.is_damaged.get(), "{id:?} is over");
        found.map(Box::as_ref)
    }

    /// As [`at`](Calls::at).
    pub(crate) fn at_mut(&mut self, id: CallId) -> Option<&mut Call> {
        let found = self.slab.get_mut(id.0 as usize);
        debug_assert!(found.is_some() || self.is_damaged.get(), "{id:?} is over");
        found.map(Box::as_mut)
    }

    /// The call of this id, if it is not over. For the repair after a panic, where ids may be stale; all else
    /// uses [`at`](Calls::at).
    pub(crate) fn find(&self, id: CallId) -> Option<&Call> {
        self.slab.get(id.0 as usize).map(Box::as_ref)
    }

    /// Takes a call out, if it is not over.
    pub(crate) fn remove(&mut self, id: CallId) -> Option<Box<Call>> {
        self.slab.try_remove(id.0 as usize)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (CallId, &Call)> {
        let id = |slot| CallId(u32::try_from(slot).unwrap_or(u32::MAX));
        let slots = self.slab.iter();
        slots.map(move |(slot, call)| (id(slot), call.as_ref()))
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// Has a panic been contained in this turn?
    pub(crate) fn is_damaged(&self) -> bool {
        self.is_damaged.get()
    }

    /// After a contained panic: until [`note_rebuilt`](Calls::note_rebuilt) a missing call is no bug.
    pub(crate) fn note_panic(&self) {
        self.is_damaged.set(true);
    }

    /// No id of a call that is gone is named anywhere any more.
    pub(crate) fn note_rebuilt(&self) {
        self.is_damaged.set(false);
    }
}
