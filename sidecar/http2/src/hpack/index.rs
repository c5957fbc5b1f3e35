//! Where the encoder's table holds a key: a small index that may forget.
//!
//! Two places a hash; a third key with the same place overwrites one, which costs the peer's table
//! an entry and nothing else, because every hit is compared in full. So a look-up is two words
//! whatever the table's size, and no choice of fields makes it slow.

/// Pairs of places. A table of 4,096 octets holds about sixty entries.
const PAIRS: usize = 64;

/// An index from hashes to the serial numbers of table entries.
pub(super) struct Index {
    places: Box<[Place; 2 * PAIRS]>,
}

#[derive(Copy, Clone, Default)]
struct Place {
    hash: u32,
    /// Number of the insertion, from 1; 0 is empty.
    serial: u32,
}

impl Index {
    pub(super) fn new() -> Index {
        Index {
            places: Box::new([Place::default(); 2 * PAIRS]),
        }
    }

    /// The newest entry with this hash, if it is still known.
    pub(super) fn find(&self, hash: u32) -> Option<u32> {
        let first = first_place(hash);
        let known = |place: &Place| place.serial > 0 && place.hash == hash;
        let places = [self.places[first], self.places[first + 1]];
        places.into_iter().find(known).map(|place| place.serial)
    }

    /// Entry `serial` has this hash; those below `oldest` have left the table.
    pub(super) fn note(&mut self, hash: u32, serial: u32, oldest: u32) {
        let first = first_place(hash);
        let usable = |place: Place| place.hash == hash || place.serial < oldest;
        let place = match (
            usable(self.places[first]),
            self.places[first + 1].hash == hash,
        ) {
            (true, false) => first,
            (false, _) | (true, true) => first + 1,
        };
        self.places[place] = Place { hash, serial };
    }
}

fn first_place(hash: u32) -> usize {
    2 * (hash as usize % PAIRS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_entry_of_a_hash_is_found() {
        let mut index = Index::new();
        index.note(7, 1, 1);
        index.note(7, 2, 1);
        assert_eq!((index.find(7), index.find(8)), (Some(2), None));
    }

    #[test]
    fn two_live_keys_share_a_place_and_a_third_takes_one() {
        let (mut index, step) = (Index::new(), PAIRS as u32);
        index.note(1, 1, 1);
        index.note(1 + step, 2, 1);
        assert_eq!((index.find(1), index.find(1 + step)), (Some(1), Some(2)));
        index.note(1 + 2 * step, 3, 1);
        assert_eq!(index.find(1 + 2 * step), Some(3));
        assert_eq!(
            index.find(1),
            Some(1),
            "the older of the two stays where it is"
        );
    }

    #[test]
    fn places_of_entries_that_left_are_used_first() {
        let (mut index, step) = (Index::new(), PAIRS as u32);
        index.note(1, 1, 1);
        index.note(1 + step, 2, 1);
        index.note(1 + 2 * step, 3, 2);
        assert_eq!((index.find(1), index.find(1 + step)), (None, Some(2)));
    }
}
