//! TLS handshakes under way, and which one to evict when there are too many.
//!
//! Thousands of silent connections must not evict a peer that sends its ClientHello at once, and
//! thousands of ClientHellos must not evict a peer that has yet to send one. So the victim is the oldest
//! connection, of the address with the most, in the larger of these two groups. An attacker with many
//! addresses evicts only peers that are slower than the time it needs to open half the limit.
//! Knows no time and no TLS.

use std::net::IpAddr;

use crate::ConnectionsByAddress;

/// Inbound connections whose TLS handshake is under way.
#[derive(Debug)]
pub struct PendingHandshakes<Id> {
    /// The ClientHello has not come, or not whole.
    silent: ConnectionsByAddress<Id>,
    /// The ClientHello has come and was answered.
    answered: ConnectionsByAddress<Id>,
}

impl<Id> Default for PendingHandshakes<Id> {
    fn default() -> PendingHandshakes<Id> {
        PendingHandshakes {
            silent: ConnectionsByAddress::default(),
            answered: ConnectionsByAddress::default(),
        }
    }
}

impl<Id: Copy + Ord> PendingHandshakes<Id> {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.silent.count() + self.answered.count()
    }

    /// A connection was accepted; `id` is larger than every id before.
    pub fn begin(&mut self, from: IpAddr, id: Id) {
        self.silent.insert(from, id);
    }

    /// The ClientHello is whole.
    pub fn note_hello(&mut self, from: IpAddr, id: Id) {
        if self.silent.remove(from, id) {
            self.answered.insert(from, id);
        }
    }

    /// The handshake succeeded or failed.
    pub fn end(&mut self, from: IpAddr, id: Id) {
        self.silent.remove(from, id);
        self.answered.remove(from, id);
    }

    /// Removes and returns the handshake to evict if there are more than `most`.
    pub fn take_surplus(&mut self, most: usize) -> Option<Id> {
        if self.count() <= most {
            return None;
        }
        match self.answered.count() > self.silent.count() {
            true => self.answered.pop(),
            false => self.silent.pop(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 8;
    const HONEST: u32 = 1_001;

    fn host(number: u32) -> IpAddr {
        IpAddr::from((0x0a00_0000 + number).to_be_bytes())
    }

    /// The attacker's nth connection: from which host, and whether it sends a ClientHello.
    type Attack = fn(u32) -> (IpAddr, bool);

    /// What a worker does with a new connection. True: the honest peer was evicted.
    fn accept(
        all: &mut PendingHandshakes<u32>,
        (from, says_hello): (IpAddr, bool),
        id: u32,
    ) -> bool {
        all.begin(from, id);
        let gone = all.take_surplus(MOST);
        if says_hello && gone != Some(id) {
            all.note_hello(from, id);
        }
        assert!(all.count() <= MOST);
        gone == Some(HONEST)
    }

    /// Whether an honest peer that never finishes survives the attack.
    fn stays(honest: (IpAddr, bool), attack: Attack) -> bool {
        let mut all = PendingHandshakes::default();
        let mut step = |n| accept(&mut all, attack(n), 2 * n);
        assert!(!(0..=500).any(&mut step));
        assert!(!accept(&mut all, honest, HONEST));
        !(501..2_000).any(|n| accept(&mut all, attack(n), 2 * n))
    }

    #[test]
    fn an_attacker_evicts_its_own_connections() {
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
    fn ended_handshakes_leave_nothing_behind() {
        let mut all = PendingHandshakes::default();
        for n in 0..4 {
            accept(&mut all, (host(n / 2), n % 2 == 0), n);
        }
        (0..4).for_each(|n| all.end(host(n / 2), n));
        for group in [all.silent, all.answered] {
            assert_eq!((group.count(), group.by_address.len()), (0, 0));
        }
    }
}
