//! TLS handshakes under way, and which of them gives way when there are too many.
//!
//! Whoever opens thousands of connections and says nothing must not push out who says a whole
//! ClientHello at once, and whoever says thousands of those must not push out who has yet to begin:
//! so the larger of these two groups gives way; in it the address with the most; of its the oldest.
//! An attacker with many addresses can only push out who is slower than it needs for half the limit.
//! Knows nothing of time or TLS.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::contract::ConnectionId;

/// Inbound connections whose TLS handshake is under way.
#[derive(Debug, Default)]
pub(crate) struct Handshakes {
    /// No whole ClientHello has come.
    silent: Group,
    /// It has come and was answered.
    answered: Group,
}

impl Handshakes {
    pub(crate) fn begin(&mut self, from: IpAddr, id: ConnectionId) {
        self.silent.insert(from, id);
    }

    /// The ClientHello is whole.
    pub(crate) fn note_hello(&mut self, from: IpAddr, id: ConnectionId) {
        if self.silent.remove(from, id) {
            self.answered.insert(from, id);
        }
    }

    pub(crate) fn end(&mut self, from: IpAddr, id: ConnectionId) {
        self.silent.remove(from, id);
        self.answered.remove(from, id);
    }

    /// If there are more than `most`: the one that gives way.
    pub(crate) fn take_surplus(&mut self, most: usize) -> Option<ConnectionId> {
        if self.silent.count + self.answered.count <= most {
            return None;
        }
        match self.answered.count > self.silent.count {
            true => self.answered.pop(),
            false => self.silent.pop(),
        }
    }
}

#[derive(Debug, Default)]
struct Group {
    /// By serial, which is the order of arrival. No map in it is empty.
    by_address: BTreeMap<IpAddr, BTreeMap<u32, ConnectionId>>,
    /// Invariant: the number of ids in `by_address`.
    count: usize,
}

impl Group {
    fn insert(&mut self, from: IpAddr, id: ConnectionId) {
        let of_address = self.by_address.entry(from).or_default();
        self.count += usize::from(of_address.insert(id.serial, id).is_none());
    }

    fn remove(&mut self, from: IpAddr, id: ConnectionId) -> bool {
        let Some(of_address) = self.by_address.get_mut(&from) else {
            return false;
        };
        let was_in = of_address.remove(&id.serial).is_some();
        if of_address.is_empty() {
            self.by_address.remove(&from);
        }
        self.count -= usize::from(was_in);
        was_in
    }

    /// The oldest of the address with the most; among addresses with as many, the oldest of all.
    fn pop(&mut self) -> Option<ConnectionId> {
        let firsts = self.by_address.iter().filter_map(|(from, of_address)| {
            let (serial, id) = of_address.first_key_value()?;
            Some(((of_address.len(), Reverse(*serial)), *from, *id))
        });
        let (_, from, id) = firsts.max_by_key(|(rank, ..)| *rank)?;
        self.remove(from, id);
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 8;
    const HONEST: ConnectionId = id(1_001);

    const fn id(serial: u32) -> ConnectionId {
        ConnectionId { slot: 0, serial }
    }

    fn host(number: u32) -> IpAddr {
        IpAddr::from((0x0a00_0000 + number).to_be_bytes())
    }

    /// Who attacks: from which host with the nth connection, and does it say a ClientHello?
    type Attack = fn(u32) -> (IpAddr, bool);

    /// What a worker does with a new connection. Was the honest one pushed out?
    fn accept(all: &mut Handshakes, (from, says_hello): (IpAddr, bool), id: ConnectionId) -> bool {
        all.begin(from, id);
        let gone = all.take_surplus(MOST);
        if says_hello && gone != Some(id) {
            all.note_hello(from, id);
        }
        assert!(all.silent.count + all.answered.count <= MOST);
        gone == Some(HONEST)
    }

    /// An honest peer comes in the midst of an attack and is never done.
    fn stays(honest: (IpAddr, bool), attack: Attack) -> bool {
        let mut all = Handshakes::default();
        let mut step = |n| accept(&mut all, attack(n), id(2 * n));
        assert!(!(0..=500).any(&mut step));
        assert!(!accept(&mut all, honest, HONEST));
        !(501..2_000).any(|n| accept(&mut all, attack(n), id(2 * n)))
    }

    #[test]
    fn an_attacker_pushes_itself_out() {
        let (other, same) = (host(0), host(1));
        let one: [(&str, Attack); 3] = [
            ("silent", |_| (host(1), false)),
            ("hellos", |_| (host(1), true)),
            ("both", |n| (host(1), n % 2 == 0)),
        ];
        for (name, attack) in one {
            for says_hello in [false, true] {
                assert!(stays((other, says_hello), attack), "{name}, {says_hello}");
            }
        }
        let many: [(&str, Attack); 2] = [
            ("silent", |n| (host(n), false)),
            ("hellos", |n| (host(n), true)),
        ];
        assert!(stays((same, true), one[0].1), "from where the silent are");
        assert!(
            stays((other, true), many[0].1),
            "among silent ones from all over"
        );
        assert!(
            stays((other, false), many[1].1),
            "before hellos from all over"
        );
        assert!(
            !stays((other, false), many[0].1),
            "as silent as those from all over"
        );
    }

    #[test]
    fn nothing_is_left_of_what_has_ended() {
        let mut all = Handshakes::default();
        for n in 0..4 {
            accept(&mut all, (host(n / 2), n % 2 == 0), id(n));
        }
        (0..4).for_each(|n| all.end(host(n / 2), id(n)));
        for group in [all.silent, all.answered] {
            assert_eq!((group.count, group.by_address.len()), (0, 0));
        }
    }
}
