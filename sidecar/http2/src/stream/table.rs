//! The streams that are not over, found by number.
//!
//! A slab of streams and an open-addressed index over it: a look-up is one multiplication
//! and, nearly always, one comparison. The multiplier scatters numbers, so a peer cannot
//! choose ones that collide for less than it costs itself. The slab lies in chunks, so that
//! thousands of streams that are opened at once are not copied while it grows.

use super::Stream;
use crate::StreamId;

#[derive(Default)]
pub(crate) struct Streams {
    /// All but the last are full. One chunk at most while no stream is open.
    chunks: Vec<Vec<Option<Stream>>>,
    free: Vec<u32>,
    count: usize,
    /// (number, slot); number 0 is an empty place. Length is 0 or a power of two, at most half
    /// full. A number lies at or behind its home place with no empty place between.
    index: Vec<(u32, u32)>,
}

const INDEX_LEN_MIN: usize = 16;

/// Streams of a chunk: some 10 KiB. The first chunk grows to that, the others are made so.
const CHUNK_LEN: usize = 64;

impl Streams {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn find(&self, id: StreamId) -> Option<&Stream> {
        let (_, slot) = self.index[self.place(id)?];
        let (chunk, at) = split(slot);
        self.chunks.get(chunk)?.get(at)?.as_ref()
    }

    pub(crate) fn find_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        let (_, slot) = self.index[self.place(id)?];
        self.slot_mut(slot)?.as_mut()
    }

    /// Adds a stream whose number is not there yet.
    pub(crate) fn insert(&mut self, stream: Stream) {
        debug_assert!(self.find(stream.id).is_none());
        if (self.len() + 1) * 2 > self.index.len() {
            self.widen();
        }
        let id = stream.id.value();
        let slot = match self.free.pop() {
            Some(slot) => {
                if let Some(place) = self.slot_mut(slot) {
                    *place = Some(stream);
                }
                slot
            }
            None => self.push(stream),
        };
        self.count += 1;
        self.enter(id, slot);
    }

    pub(crate) fn remove(&mut self, id: StreamId) -> Option<Stream> {
        let place = self.place(id)?;
        let (_, slot) = self.index[place];
        self.close_gap(place);
        self.free.push(slot);
        self.count -= 1;
        let stream = self.slot_mut(slot)?.take();
        if self.count == 0 && self.chunks.len() > 1 {
            self.clear();
        }
        stream
    }

    /// All streams, in no order that means anything.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.chunks.iter().flatten().flatten()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.chunks.iter_mut().flatten().flatten()
    }

    pub(crate) fn clear(&mut self) {
        *self = Streams::default();
    }

    fn slot_mut(&mut self, slot: u32) -> Option<&mut Option<Stream>> {
        let (chunk, at) = split(slot);
        self.chunks.get_mut(chunk)?.get_mut(at)
    }

    /// Puts the stream behind all others; its slot.
    fn push(&mut self, stream: Stream) -> u32 {
        let is_full = |chunk: &Vec<_>| chunk.len() == CHUNK_LEN;
        if self.chunks.last().is_none_or(is_full) {
            let made_for = if self.chunks.is_empty() { 0 } else { CHUNK_LEN };
            self.chunks.push(Vec::with_capacity(made_for));
        }
        let full = (self.chunks.len() - 1) * CHUNK_LEN;
        let Some(last) = self.chunks.last_mut() else {
            return 0;
        };
        last.push(Some(stream));
        (full + last.len() - 1) as u32
    }

    fn home(&self, id: u32) -> usize {
        let scattered = id.wrapping_mul(0x9e37_79b1);
        (scattered >> 8) as usize & (self.index.len() - 1)
    }

    fn after(&self, place: usize) -> usize {
        (place + 1) & (self.index.len() - 1)
    }

    fn place(&self, id: StreamId) -> Option<usize> {
        if self.index.is_empty() || id.is_connection() {
            return None;
        }
        let mut place = self.home(id.value());
        while self.index[place].0 != id.value() {
            if self.index[place].0 == 0 {
                return None;
            }
            place = self.after(place);
        }
        Some(place)
    }

    fn enter(&mut self, id: u32, slot: u32) {
        let mut place = self.home(id);
        while self.index[place].0 != 0 {
            place = self.after(place);
        }
        self.index[place] = (id, slot);
    }

    /// Empties `gap` and moves later entries of its run up, so that no run is cut.
    fn close_gap(&mut self, mut gap: usize) {
        let mut place = self.after(gap);
        while self.index[place].0 != 0 {
            let home = self.home(self.index[place].0);
            let mask = self.index.len() - 1;
            // Distance from home to here, and from the gap to here, both forwards.
            if place.wrapping_sub(home) & mask >= place.wrapping_sub(gap) & mask {
                self.index[gap] = self.index[place];
                gap = place;
            }
            place = self.after(place);
        }
        self.index[gap] = (0, 0);
    }

    fn widen(&mut self) {
        let wider = (self.index.len() * 2).max(INDEX_LEN_MIN);
        let entries = std::mem::replace(&mut self.index, vec![(0, 0); wider]);
        entries
            .into_iter()
            .filter(|entry| entry.0 != 0)
            .for_each(|(id, slot)| self.enter(id, slot));
    }
}

/// Chunk of a slot, and place in it.
fn split(slot: u32) -> (usize, usize) {
    (slot as usize / CHUNK_LEN, slot as usize % CHUNK_LEN)
}

#[cfg(test)]
mod tests {
    use super::super::{BodyQueue, ReceiveWindow, Receiving, Sending};
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    use crate::connection::ResetCharge;

    fn stream(id: u32) -> Stream {
        Stream {
            id: StreamId::new(id),
            receiving: Receiving::Head,
            sending: Sending::Body,
            receive_window: ReceiveWindow::new(65_535),
            send_window: 0,
            queue: BodyQueue::default(),
            awaits_body: false,
            stuck_since: None,
            trailers: None,
            is_scheduled: false,
            unanswered: 0,
            is_coalescing: false,
            is_head_request: false,
            reset_charge: ResetCharge::Exempt,
        }
    }

    proptest! {
        #[test]
        fn finds_exactly_what_was_entered(steps in prop::collection::vec((1..200_u32, any::<bool>()), 0..400)) {
            let (mut table, mut model) = (Streams::default(), BTreeSet::new());
            for (id, enters) in steps {
                if !enters {
                    let removed = table.remove(StreamId::new(id)).map(|stream| stream.id.value());
                    prop_assert_eq!(removed, model.take(&id));
                } else if model.insert(id) {
                    table.insert(stream(id));
                }
                prop_assert_eq!(table.len(), model.len());
                for id in 0..200 {
                    let found = table.find(StreamId::new(id)).map(|stream| stream.id.value());
                    prop_assert_eq!(found, model.get(&id).copied());
                }
            }
            prop_assert_eq!(table.iter().count(), model.len());
        }
    }

    #[test]
    fn a_burst_leaves_nothing_behind_and_its_streams_are_small() {
        let mut table = Streams::default();
        (1..1_000).for_each(|id| table.insert(stream(id)));
        assert_eq!((table.len(), table.chunks.len()), (999, 16));
        (1..1_000).for_each(|id| drop(table.remove(StreamId::new(id))));
        assert_eq!((table.len(), table.chunks.len()), (0, 0));
        // A proxied call holds two, and an application may make thousands.
        assert!(size_of::<Option<Stream>>() <= 112);
    }
}
