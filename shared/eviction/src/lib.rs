//! Which connection to close when there are too many.
//!
//! [`ConnectionsByAddress`] is fair among source addresses; [`PendingHandshakes`] is also fair between
//! peers that have sent a ClientHello and silent ones. Used by every listener of the mesh. Knows no
//! time, socket or TLS; an id is the listener's own, and ids grow in order of arrival.

mod pending_handshakes;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

pub use pending_handshakes::PendingHandshakes;

/// Connections grouped by source address.
#[derive(Debug)]
pub struct ConnectionsByAddress<Id> {
    /// In order of arrival. No set in it is empty.
    by_address: BTreeMap<IpAddr, BTreeSet<Id>>,
    /// Invariant: the number of ids in `by_address`.
    count: usize,
}

impl<Id> Default for ConnectionsByAddress<Id> {
    fn default() -> ConnectionsByAddress<Id> {
        ConnectionsByAddress {
            by_address: BTreeMap::new(),
            count: 0,
        }
    }
}

impl<Id: Copy + Ord> ConnectionsByAddress<Id> {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Adds a connection; `id` is larger than every id before.
    pub fn insert(&mut self, from: IpAddr, id: Id) {
        let of_address = self.by_address.entry(from).or_default();
        self.count += usize::from(of_address.insert(id));
    }

    /// Removes a connection. False: it was not there.
    pub fn remove(&mut self, from: IpAddr, id: Id) -> bool {
        let Some(of_address) = self.by_address.get_mut(&from) else {
            return false;
        };
        let was_in = of_address.remove(&id);
        if of_address.is_empty() {
            self.by_address.remove(&from);
        }
        self.count -= usize::from(was_in);
        was_in
    }

    /// Removes the oldest connection of the address with the most; on a tie, the oldest of these
    /// addresses.
    pub fn pop(&mut self) -> Option<Id> {
        let firsts = self.by_address.iter().filter_map(|(from, of_address)| {
            let id = of_address.first()?;
            Some(((of_address.len(), Reverse(*id)), *from))
        });
        let ((_, Reverse(id)), from) = firsts.max_by_key(|(rank, _)| *rank)?;
        self.remove(from, id);
        Some(id)
    }

    /// The addresses with the most, at most `limit` of them, and how many each has.
    pub fn busiest(&self, limit: usize) -> Vec<(IpAddr, usize)> {
        let counts = self.by_address.iter();
        let mut counts: Vec<_> = counts.map(|(from, ids)| (*from, ids.len())).collect();
        counts.sort_by_key(|(from, count)| (Reverse(*count), *from));
        counts.truncate(limit);
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    #[test]
    fn the_oldest_of_the_busiest_address_goes_first() {
        let mut connections = ConnectionsByAddress::default();
        for (id, last) in [(1, 1), (2, 2), (3, 2), (4, 3)] {
            connections.insert(host(last), id);
        }
        assert_eq!(connections.busiest(2), [(host(2), 2), (host(1), 1)]);
        let order: Vec<u32> = std::iter::from_fn(|| connections.pop()).collect();
        assert_eq!(order, [2, 1, 3, 4]);
        assert_eq!(connections.count(), 0);
    }
}
