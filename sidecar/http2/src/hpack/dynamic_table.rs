//! The dynamic table of one direction (RFC 7541 2.3.2, 4).
//!
//! Entries lie one behind the other in a log; eviction moves its start. The log is moved to
//! the front when as much of it is dead as can be alive, so an insertion costs one copy and
//! never an allocation once the log has grown.

use std::collections::VecDeque;

use crate::fields::{FIELD_OVERHEAD, Field};
use crate::octets::Octets;

pub(super) struct DynamicTable {
    log: Vec<u8>,
    /// Newest first.
    entries: VecDeque<Entry>,
    /// Octets of entries and 32 for each. Invariant: size <= size_max.
    size: usize,
    size_max: usize,
}

#[derive(Copy, Clone)]
struct Entry {
    start: u32,
    name_len: u32,
    value_len: u32,
    octets: Octets,
}

impl Entry {
    fn size(self) -> usize {
        self.name_len as usize + self.value_len as usize + FIELD_OVERHEAD
    }
}

impl DynamicTable {
    pub(super) fn new(size_max: usize) -> DynamicTable {
        DynamicTable {
            log: Vec::new(),
            entries: VecDeque::new(),
            size: 0,
            size_max,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn size_max(&self) -> usize {
        self.size_max
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Name and value of the entry that is `age` insertions old; 0 is the newest.
    pub(super) fn entry(&self, age: usize) -> Option<(&[u8], &[u8])> {
        let entry = self.entries.get(age)?;
        let bytes = self.log.get(entry.start as usize..)?;
        let (name, rest) = bytes.split_at_checked(entry.name_len as usize)?;
        Some((name, rest.get(..entry.value_len as usize)?))
    }

    /// The `octets` given to `insert`.
    pub(super) fn octets(&self, age: usize) -> Octets {
        let entry = self.entries.get(age);
        entry.map_or(Octets::Forbidden, |entry| entry.octets)
    }

    /// Evicts from the oldest until `size_max` holds.
    pub(super) fn resize(&mut self, size_max: usize) {
        self.size_max = size_max;
        self.evict(size_max);
    }

    /// Adds the newest entry as it was sent. One larger than the table empties it and is not kept.
    /// `octets`: how they were judged; said again by each use of the entry, so that it is done once.
    pub(super) fn insert(&mut self, field: Field<'_>, octets: Octets) {
        let Field { name, value, .. } = field;
        let entry_size = field.size();
        self.evict(self.size_max.saturating_sub(entry_size));
        if entry_size > self.size_max {
            return;
        }
        self.compact();
        let start = self.log.len() as u32;
        self.log.extend_from_slice(name);
        self.log.extend_from_slice(value);
        self.entries.push_front(Entry {
            start,
            name_len: name.len() as u32,
            value_len: value.len() as u32,
            octets,
        });
        self.size += entry_size;
    }

    fn evict(&mut self, size_max: usize) {
        while self.size > size_max {
            let Some(oldest) = self.entries.pop_back() else {
                return;
            };
            self.size -= oldest.size();
        }
    }

    fn compact(&mut self) {
        let dead = self
            .entries
            .back()
            .map_or(self.log.len(), |oldest| oldest.start as usize);
        if dead < self.size_max {
            return;
        }
        self.log.drain(..dead);
        self.entries
            .iter_mut()
            .for_each(|entry| entry.start -= dead as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_leave_first() {
        let mut table = DynamicTable::new(2 * 34);
        table.insert(Field::new(b"a", b"1"), Octets::Good);
        table.insert(Field::new(b"b", b"2"), Octets::Good);
        table.insert(Field::new(b"c", b"3"), Octets::Good);
        assert_eq!(table.len(), 2);
        assert_eq!(table.entry(0), Some((&b"c"[..], &b"3"[..])));
        assert_eq!(table.entry(1), Some((&b"b"[..], &b"2"[..])));
        assert_eq!(table.entry(2), None);
    }

    #[test]
    fn an_entry_larger_than_the_table_empties_it() {
        let mut table = DynamicTable::new(40);
        table.insert(Field::new(b"a", b"1"), Octets::Good);
        table.insert(Field::new(b"b", b"0123456789"), Octets::Good);
        assert_eq!((table.len(), table.size()), (0, 0));
    }

    #[test]
    fn entries_outlive_the_moving_of_the_log() {
        let mut table = DynamicTable::new(100);
        for round in 0..1_000_u32 {
            table.insert(Field::new(b"round", &round.to_be_bytes()), Octets::Good);
            assert_eq!(
                table.entry(0),
                Some((&b"round"[..], &round.to_be_bytes()[..]))
            );
            if let (Some(before), 2) = (round.checked_sub(1), table.len()) {
                assert_eq!(
                    table.entry(1),
                    Some((&b"round"[..], &before.to_be_bytes()[..]))
                );
            }
            assert!(table.log.len() < 300);
        }
    }
}
