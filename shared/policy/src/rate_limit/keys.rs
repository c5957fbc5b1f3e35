//! A limit that counts each key by itself: each method, caller or header value.
//!
//! Callers may make keys up, so the table is bounded. When it is full, a new key takes the place of
//! one that is at rest, which loses nothing. Where none is found the call counts under `other`, one
//! state for all keys without a place: a caller with a new key in each call gets no more than that one.
//!
//! A key is known by a hash of 64 bits, so its length costs no memory. By chance two of 10,000 keys
//! share a state once in 10^11 tables; the hash has a seed, so a caller cannot look for keys that do.

use std::hash::{DefaultHasher, Hasher};
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::{LimitState, RateLimit, RateVerdict};
use crate::Tick;

/// Keys that a new one looks at for one at rest. More would make a flood of new keys dear.
const LOOKED_AT: usize = 8;

/// The states of a limit by key.
#[derive(Clone, Debug)]
pub struct KeyTable {
    seed: u64,
    /// Hash of a key, and its place in `states`.
    places: FxHashMap<u64, usize>,
    // Invariant: states.len() == places.len() <= keys_max.
    states: Vec<(u64, LimitState)>,
    other: LimitState,
    /// The place that a new key looks at next for one at rest.
    hand: usize,
    evictions: u64,
    calls_of_other: u64,
}

impl KeyTable {
    /// A table without keys. Only with these `rules` may it be asked. `seed` is random, and known to
    /// no caller.
    pub fn new(rules: &RateLimit, seed: u64) -> KeyTable {
        KeyTable {
            seed,
            places: FxHashMap::default(),
            states: Vec::new(),
            other: LimitState::new(rules),
            hand: 0,
            evictions: 0,
            calls_of_other: 0,
        }
    }

    /// A call with this key came: may it go on? `patience` is the longest wait that is of use to it.
    /// Allocates only while the table grows.
    pub fn take(
        &mut self,
        key: &[u8],
        rules: &RateLimit,
        now: Tick,
        patience: Duration,
    ) -> RateVerdict {
        let hash = self.hash(key);
        let place = (self.places.get(&hash).copied()).or_else(|| self.add(hash, rules, now));
        let state = match place.and_then(|place| self.states.get_mut(place)) {
            Some((_, state)) => state,
            None => {
                self.calls_of_other += 1;
                &mut self.other
            }
        };
        state.take(rules, now, patience)
    }

    /// Keys that have a state of their own.
    pub fn keys(&self) -> usize {
        self.states.len()
    }

    /// Keys at rest that gave their place to a new one, since the start.
    pub fn evictions(&self) -> u64 {
        self.evictions
    }

    /// Calls that counted under `other`, since the start.
    pub fn calls_of_other(&self) -> u64 {
        self.calls_of_other
    }

    fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.seed);
        hasher.write(key);
        hasher.finish()
    }

    /// A place for a new key: a free one, or that of a key at rest.
    fn add(&mut self, hash: u64, rules: &RateLimit, now: Tick) -> Option<usize> {
        let fresh = (hash, LimitState::new(rules));
        let place = if self.states.len() < rules.keys_max() as usize {
            self.states.push(fresh);
            self.states.len() - 1
        } else {
            let place = self.find_at_rest(rules, now)?;
            let (evicted, _) = std::mem::replace(self.states.get_mut(place)?, fresh);
            self.places.remove(&evicted);
            self.evictions += 1;
            place
        };
        self.places.insert(hash, place);
        Some(place)
    }

    fn find_at_rest(&mut self, rules: &RateLimit, now: Tick) -> Option<usize> {
        for _ in 0..LOOKED_AT.min(self.states.len()) {
            let place = self.hand;
            self.hand = (place + 1) % self.states.len();
            if self.states[place].1.is_at_rest(rules, now) {
                return Some(place);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LimitKey;

    fn rules(keys_max: u32) -> RateLimit {
        RateLimit {
            key: LimitKey::Header("x-tenant".to_owned()),
            keys_max: Some(keys_max),
            ..RateLimit::new("tenants", 1)
        }
    }

    fn is_admitted(table: &mut KeyTable, rules: &RateLimit, key: &str, at_ms: u64) -> bool {
        let now = Tick::ZERO + Duration::from_millis(at_ms);
        matches!(
            table.take(key.as_bytes(), rules, now, Duration::MAX),
            RateVerdict::Admit { .. }
        )
    }

    #[test]
    fn each_key_has_a_limit_of_its_own() {
        let rules = rules(2);
        let mut table = KeyTable::new(&rules, 7);
        let calls = [("a", true), ("b", true), ("a", false), ("b", false)];
        for (key, admitted) in calls {
            assert_eq!(is_admitted(&mut table, &rules, key, 0), admitted, "{key}");
        }
    }

    #[test]
    fn keys_without_a_place_share_one_state() {
        let rules = rules(2);
        let mut table = KeyTable::new(&rules, 7);
        let admitted = (0..1_000)
            .filter(|number| is_admitted(&mut table, &rules, &number.to_string(), 0))
            .count();
        // Two keys of the table, and one call of all others.
        assert_eq!(admitted, 3);
        assert_eq!((table.keys(), table.evictions()), (2, 0));
        assert_eq!(table.calls_of_other(), 998);
    }

    #[test]
    fn only_a_key_at_rest_gives_up_its_place() {
        let rules = rules(2);
        let mut table = KeyTable::new(&rules, 7);
        assert!(is_admitted(&mut table, &rules, "a", 0));
        assert!(is_admitted(&mut table, &rules, "b", 600));
        assert!(is_admitted(&mut table, &rules, "c", 1_000));
        assert_eq!((table.keys(), table.evictions()), (2, 1));
        // `b` kept its place, and what it had used.
        assert!(!is_admitted(&mut table, &rules, "b", 1_100));
    }

    #[test]
    fn the_search_for_a_key_at_rest_comes_around() {
        let rules = rules(20);
        let mut table = KeyTable::new(&rules, 7);
        for number in 10..30 {
            assert!(is_admitted(&mut table, &rules, &number.to_string(), number));
        }
        // All but the first are in use again.
        for number in 11..30 {
            assert!(is_admitted(&mut table, &rules, &number.to_string(), 1_500));
        }
        let evicted = (0..4).find(|try_| {
            is_admitted(&mut table, &rules, &format!("new-{try_}"), 1_600);
            table.evictions() == 1
        });
        assert!(evicted.is_some(), "{table:?}");
    }
}
