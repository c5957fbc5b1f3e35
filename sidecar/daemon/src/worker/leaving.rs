//! The last moment of a socket: everything was said, the peer has yet to hear it.
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
const PATIENCE: Duration = Duration::from_secs(1);

/// Octets thrown away for one socket: what a peer may have sent before it heard of the end.
const DISCARDED_MAX: usize = 1 << 20;

/// Sockets that may be leaving at once; more are closed outright. Each is a file descriptor.
const LEAVING_MAX: usize = 256;

/// A socket whose connection is over.
#[derive(Debug)]
pub struct Leaving {
    /// Octets thrown away so far.
    discarded: usize,
}

impl Sockets {
    /// Forgets a connection; its socket is closed once the peer has heard all, or soon.
    pub fn let_go(&mut self, now: Tick, id: ConnectionId) {
        let Some(key) = self.forget(id) else { return };
        self.forget_the_departed();
        let has_room = self.departures.len() < LEAVING_MAX;
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        let is_shut = !socket.connecting && socket.stream.shutdown(Shutdown::Write).is_ok();
        if !has_room || !is_shut {
            self.sockets.remove(key);
            return;
        }
        socket.leaving = Some(Leaving { discarded: 0 });
        // Whatever back-pressure there was: nobody is pressed by what is thrown away.
        socket.reading = true;
        socket.readable = true;
        socket.writing = false;
        self.departures.push_back((now + PATIENCE, key, id));
        self.list_to_read(key);
    }

    /// Throws away what came for a socket that is leaving. `false`: it is not one.
    pub fn discard(&mut self, key: usize, buffer: &mut [u8]) -> bool {
        let Some(socket) = self.sockets.get_mut(key) else {
            return false;
        };
        let Some(leaving) = &mut socket.leaving else {
            return false;
        };
        let is_over = loop {
            match socket.stream.read(buffer) {
                Ok(0) => break true,
                Ok(length) => leaving.discarded += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break true,
            }
            if leaving.discarded > DISCARDED_MAX {
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
        while let Some(&(due, key, id)) = self.departures.front() {
            if due > now && self.is_leaving(key, id) {
                return;
            }
            self.departures.pop_front();
            if self.is_leaving(key, id) {
                self.sockets.remove(key);
            }
        }
    }

    /// Drops those of the list who have left: when it is full, so that a slow one at its head takes no
    /// place but its own.
    fn forget_the_departed(&mut self) {
        if self.departures.len() < LEAVING_MAX {
            return;
        }
        let departures = std::mem::take(&mut self.departures);
        self.departures = departures
            .into_iter()
            .filter(|(_, key, id)| self.is_leaving(*key, *id))
            .collect();
    }

    /// When the first of them is closed at the latest.
    pub fn wake_at(&self) -> Option<Tick> {
        self.departures.front().map(|(due, _, _)| *due)
    }

    /// Is there none?
    pub fn all_left(&self) -> bool {
        self.departures.is_empty()
    }

    fn is_leaving(&self, key: usize, id: ConnectionId) -> bool {
        let socket = self.sockets.get(key);
        socket.is_some_and(|socket| socket.id == id && socket.leaving.is_some())
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
        sockets.let_go(Tick::ZERO, id);
        discard_listed(&mut sockets);
        let mut heard = Vec::new();
        peer.read_to_end(&mut heard).expect("an end, and no reset");
        assert_eq!(heard, b"the answer");

        drop(peer);
        while sockets.by_key(key).is_some() {
            sockets.discard(key, &mut [0; 1024]);
        }
        sockets.close_overdue(Tick::ZERO);
        assert!(sockets.all_left());
    }

    #[test]
    fn a_peer_that_never_ends_is_left_after_a_moment() {
        let mut sockets = Sockets::default();
        let (id, _peer) = pair(&mut sockets);
        sockets.let_go(Tick::ZERO, id);
        discard_listed(&mut sockets);
        let due = sockets.wake_at().expect("a limit");
        sockets.close_overdue(Tick::ZERO);
        assert!(!sockets.all_left());
        sockets.close_overdue(due);
        assert!(sockets.all_left());
    }
}
