//! Lingering close: all output is written, but the peer may not have read it yet.
//!
//! A socket that is closed with unread input is reset by the system, and a reset throws away what
//! the peer has not read: the last answer of a drained connection (RFC 9112 9.6 says it of HTTP/1).
//! So our end is shut, what still comes is thrown away, and the socket is closed when the peer has
//! closed its own: or soon, because a peer that never does must not hold it.

use std::io::{ErrorKind, Read};
use std::net::Shutdown;
use std::time::Duration;

use outrider_engine::ConnectionId;
use outrider_policy::Tick;

use super::sockets::Sockets;

/// Longest wait for the peer's end. A round trip is enough for one that does as it should.
const LINGER_MAX: Duration = Duration::from_secs(1);

/// Octets thrown away for one socket: what a peer may have sent before it heard of the end.
const DISCARDED_MAX: usize = 1 << 20;

/// Sockets that may be lingering at once; more are closed outright. Each is a file descriptor.
const LINGERING_MAX: usize = 256;

/// A socket whose connection is over.
#[derive(Debug)]
pub struct LingeringClose {
    /// Octets thrown away so far.
    discarded: usize,
}

impl Sockets {
    /// Forgets a connection; its socket is closed once the peer has heard all, or soon.
    pub fn close_gently(&mut self, now: Tick, id: ConnectionId) {
        let Some(key) = self.forget(id) else { return };
        self.forget_closed();
        let has_room = self.lingering_sockets.len() < LINGERING_MAX;
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        let is_shut = !socket.connecting && socket.stream.shutdown(Shutdown::Write).is_ok();
        if !has_room || !is_shut {
            self.sockets.remove(key);
            return;
        }
        socket.lingering = Some(LingeringClose { discarded: 0 });
        // Whatever back-pressure there was: nobody is pressed by what is thrown away.
        socket.reading = true;
        socket.readable = true;
        socket.writing = false;
        self.lingering_sockets
            .push_back((now + LINGER_MAX, key, id));
        self.list_to_read(key);
    }

    /// Throws away what came for a socket that is lingering. `false`: it is not one.
    pub fn discard(&mut self, key: usize, buffer: &mut [u8]) -> bool {
        let Some(socket) = self.sockets.get_mut(key) else {
            return false;
        };
        let Some(lingering) = &mut socket.lingering else {
            return false;
        };
        let is_over = loop {
            match socket.stream.read(buffer) {
                Ok(0) => break true,
                Ok(length) => lingering.discarded += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break true,
            }
            if lingering.discarded > DISCARDED_MAX {
                break true;
            }
        };
        socket.readable = false;
        if is_over {
            self.sockets.remove(key);
        }
        true
    }

    /// Closes the sockets whose peers took too long.
    pub fn close_overdue(&mut self, now: Tick) {
        while let Some(&(due, key, id)) = self.lingering_sockets.front() {
            if due > now && self.is_lingering(key, id) {
                return;
            }
            self.lingering_sockets.pop_front();
            if self.is_lingering(key, id) {
                self.sockets.remove(key);
            }
        }
    }

    /// Drops those of the list who have left: when it is full, so that a slow one at its head takes no
    /// place but its own.
    fn forget_closed(&mut self) {
        if self.lingering_sockets.len() < LINGERING_MAX {
            return;
        }
        let lingering_sockets = std::mem::take(&mut self.lingering_sockets);
        self.lingering_sockets = lingering_sockets
            .into_iter()
            .filter(|(_, key, id)| self.is_lingering(*key, *id))
            .collect();
    }

    /// When the first of them is closed at the latest.
    pub fn wake_at(&self) -> Option<Tick> {
        self.lingering_sockets.front().map(|(due, _, _)| *due)
    }

    /// Is there none?
    pub fn none_lingering(&self) -> bool {
        self.lingering_sockets.is_empty()
    }

    fn is_lingering(&self, key: usize, id: ConnectionId) -> bool {
        let socket = self.sockets.get(key);
        socket.is_some_and(|socket| socket.id == id && socket.lingering.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::super::descriptors::Descriptors;
    use super::*;
    use outrider_engine::config::Settings;
    use outrider_engine::{Engine, Side};
    use outrider_policy::{ConnectionSide, DescriptorRules};
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    /// A connection of ours, and the peer's end of it.
    fn pair(sockets: &mut Sockets) -> (ConnectionId, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let peer = TcpStream::connect(address).expect("a connection");
        let (ours, from) = listener.accept().expect("a connection");
        ours.set_nonblocking(true).expect("it obeys");
        let poll = mio::Poll::new().expect("a poll instance");
        let mut engine = Engine::new(Settings::new("orders"), 1);
        let id = engine.accepted(Tick::ZERO, Side::Outbound, from);
        let ours = mio::net::TcpStream::from_std(ours);
        let rules = DescriptorRules::divide(u64::MAX, 0);
        let permit = Descriptors::new(rules).permit(ConnectionSide::Downstream);
        let permit = permit.expect("a descriptor");
        let inserted = sockets.insert(poll.registry(), (ours, permit), false, || id);
        inserted.expect("the poll takes it");
        (id, peer)
    }

    fn discard_listed(sockets: &mut Sockets) {
        for key in sockets.take_to_read() {
            assert!(sockets.discard(key, &mut [0; 1024]));
        }
    }

    #[test]
    fn a_peer_that_has_not_finished_talking_hears_our_last_word() {
        let mut sockets = Sockets::default();
        let (id, mut peer) = pair(&mut sockets);
        let key = sockets.key(id).expect("it is there");
        peer.write_all(b"half a request")
            .expect("the kernel takes it");
        let socket = sockets.by_key(key).expect("it is there");
        socket
            .stream
            .write_all(b"the answer")
            .expect("the kernel takes it");
        sockets.close_gently(Tick::ZERO, id);
        discard_listed(&mut sockets);
        let mut heard = Vec::new();
        peer.read_to_end(&mut heard).expect("an end, and no reset");
        assert_eq!(heard, b"the answer");

        drop(peer);
        while sockets.by_key(key).is_some() {
            sockets.discard(key, &mut [0; 1024]);
        }
        sockets.close_overdue(Tick::ZERO);
        assert!(sockets.none_lingering());
    }

    #[test]
    fn a_peer_that_never_ends_is_left_after_a_moment() {
        let mut sockets = Sockets::default();
        let (id, _peer) = pair(&mut sockets);
        sockets.close_gently(Tick::ZERO, id);
        discard_listed(&mut sockets);
        let due = sockets.wake_at().expect("a limit");
        sockets.close_overdue(Tick::ZERO);
        assert!(!sockets.none_lingering());
        sockets.close_overdue(due);
        assert!(sockets.none_lingering());
    }
}
