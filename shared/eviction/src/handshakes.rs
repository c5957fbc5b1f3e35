//! TLS handshakes under way, and which of them gives way when there are too many.
//!
//! A peer that opens thousands of silent connections must not push out one that sends a whole
//! ClientHello at once, and one that sends thousands of those must not push out one that has yet to begin:
//! so the larger of these two groups gives way; in it the address with the most; of its the oldest.
//! An attacker with many addresses can only push out who is slower than it needs for half the limit.
//! Knows nothing of time or TLS.

use std::net::IpAddr;

use crate::Crowd;

/// Inbound connections whose TLS handshake is under way.
#[derive(Debug)]
pub struct Handshakes<Id> {
    /// No whole ClientHello has come.
    silent: Crowd<Id>,
    /// It has come and was answered.
    answered: Crowd<Id>,
}

impl<Id> Default for Handshakes<Id> {
    fn default() -> Handshakes<Id> {
        Handshakes {
            silent: Crowd::default(),
            answered: Crowd::default(),
        }
    }
}

impl<Id: Copy + Ord> Handshakes<Id> {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.silent.count() + self.answered.count()
    }

    /// A connection is accepted; ids grow from one to the next.
    pub fn begin(&mut self, from: IpAddr, id: Id) {
        self.silent.insert(from, id);
    }

    /// The ClientHello is whole.
    pub fn note_hello(&mut self, from: IpAddr, id: Id) {
        if self.silent.remove(from, id) {
            self.answered.insert(from, id);
        }
    }

    /// The handshake is over, well or not.
    pub fn end(&mut self, from: IpAddr, id: Id) {
        self.silent.remove(from, id);
        self.answered.remove(from, id);
    }

    /// If there are more than `most`: the one that gives way.
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

    /// Who attacks: from which host with the nth connection, and does it say a ClientHello?
    type Attack = fn(u32) -> (IpAddr, bool);

    /// What a worker does with a new connection. Was the honest one pushed out?
    fn accept(all: &mut Handshakes<u32>, (from, says_hello): (IpAddr, bool), id: u32) -> bool {
        all.begin(from, id);
        let gone = all.take_surplus(MOST);
        if says_hello && gone != Some(id) {
            all.note_hello(from, id);
        }
        assert!(all.count() <= MOST);
        gone == Some(HONEST)
    }

    /// An honest peer comes in the midst of an attack and is never done.
    fn stays(honest: (IpAddr, bool), attack: Attack) -> bool {
        let mut all = Handshakes::default();
        let mut step = |n| accept(&mut all, attack(n), 2 * n);
        assert!(!(0..=500).any(&mut step));
        assert!(!accept(&mut all, honest, HONEST));
        !(501..2_000).any(|n| accept(&mut all, attack(n), 2 * n))
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
            accept(&mut all, (host(n / 2), n % 2 == 0), n);
        }
        (0..4).for_each(|n| all.end(host(n / 2), n));
        for group in [all.silent, all.answered] {
            assert_eq!((group.count(), group.by_address.len()), (0, 0));
        }
    }
}
