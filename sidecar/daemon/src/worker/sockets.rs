//! One worker's connections: which socket a name stands for and what is known of it.
//!
//! The poll is edge-triggered and every socket is registered once, for both directions: readiness
//! is remembered here until a call says "would block", so that back-pressure costs no system call.
//! Knows no protocol and takes no decision; `turn.rs` reads and writes.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use outrider_engine::{ConnectFailure, ConnectionId};
use outrider_policy::Tick;
use rustc_hash::FxHashMap;
use slab::Slab;
use socket2::{SockRef, TcpKeepalive};

use super::descriptors::Permit;
use super::lingering_close::LingeringClose;

/// The token of the mailbox's waker. Sockets count up from zero and never get here.
pub const WAKER: Token = Token(usize::MAX);

/// Probes of an idle connection: the first after this silence, then at this interval. A peer that
/// leaves all of them unanswered has vanished, which is noticed 25 s after its last word.
///
/// Applications have no TCP_USER_TIMEOUT: Linux counts a closed window as silence (tcp(7)), however
/// often the peer acknowledges the probes of it, and would end connections whose reader only pauses.
/// Sidecars have: they read whatever comes.
const PROBE_AFTER: Duration = Duration::from_secs(10);
const PROBE_EVERY: Duration = Duration::from_secs(5);
const PROBES: u32 = 3;

/// Octets to another sidecar that stay unacknowledged so long end the connection. Longer than the 15 s
/// in which a ping finds a vanished peer while a stream is open: it can say why, the system cannot.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(20);

/// One connection's socket.
#[derive(Debug)]
pub struct Socket {
    pub stream: TcpStream,
    /// Held for as long as the socket is open.
    _permit: Permit,
    pub id: ConnectionId,
    /// Outgoing and not yet known to be connected.
    pub connecting: bool,
    /// Bytes, an end or an error may be waiting.
    pub readable: bool,
    /// The peer's end has been announced: a short read is not the last one.
    pub ending: bool,
    /// The engine wants to be fed (back-pressure when not).
    pub reading: bool,
    /// The kernel may take bytes.
    pub writable: bool,
    /// The engine has bytes to write.
    pub writing: bool,
    /// Everything was said and only the peer's end is awaited; see `lingering_close.rs`.
    pub lingering: Option<LingeringClose>,
    /// Is it in `to_read`, in `to_write`? Each lists a socket at most once.
    listed_to_read: bool,
    listed_to_write: bool,
}

/// All connections of a worker, and which of them have work to do.
#[derive(Debug, Default)]
pub struct Sockets {
    pub(super) sockets: Slab<Socket>,
    keys: FxHashMap<ConnectionId, usize>,
    to_read: Vec<usize>,
    to_write: Vec<usize>,
    /// Sockets that are lingering, by when they are closed at the latest.
    pub(super) lingering_sockets: VecDeque<(Tick, usize, ConnectionId)>,
}

impl Sockets {
    /// Takes a socket in and puts it under the poll. `name` gives it its name once that worked.
    ///
    /// # Errors
    /// When the poll does not take it; nothing is kept and `name` is not called.
    pub fn insert(
        &mut self,
        registry: &Registry,
        (mut stream, permit): (TcpStream, Permit),
        connecting: bool,
        name: impl FnOnce() -> ConnectionId,
    ) -> io::Result<ConnectionId> {
        let entry = self.sockets.vacant_entry();
        tune(&stream);
        registry.register(
            &mut stream,
            Token(entry.key()),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        let id = name();
        self.keys.insert(id, entry.key());
        entry.insert(Socket::new(stream, permit, id, connecting));
        Ok(id)
    }

    /// The peer is another sidecar: what it does not acknowledge it will never read.
    pub fn expect_acknowledgements(&mut self, id: ConnectionId) {
        let key = self.key(id);
        let Some(socket) = key.and_then(|key| self.sockets.get(key)) else {
            return;
        };
        #[cfg(target_os = "linux")]
        if let Err(error) =
            SockRef::from(&socket.stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))
        {
            tracing::debug!(%error, "a socket option was refused");
        }
    }

    pub fn by_key(&mut self, key: usize) -> Option<&mut Socket> {
        self.sockets.get_mut(key)
    }

    /// The connection's place; `None` when it is gone.
    pub fn key(&self, id: ConnectionId) -> Option<usize> {
        self.keys.get(&id).copied()
    }

    /// Forgets a connection and closes its socket. Nothing happens when it is gone already.
    pub fn close(&mut self, id: ConnectionId) {
        if let Some(key) = self.forget(id) {
            self.sockets.remove(key);
        }
    }

    /// Takes a connection's name away; its socket's place.
    pub(super) fn forget(&mut self, id: ConnectionId) -> Option<usize> {
        self.keys.remove(&id)
    }

    /// Lists a socket for reading in this turn or, when called while reading, in the next.
    pub fn list_to_read(&mut self, key: usize) {
        if let Some(socket) = self.sockets.get_mut(key)
            && socket.wants_read()
            && !socket.listed_to_read
        {
            socket.listed_to_read = true;
            self.to_read.push(key);
        }
    }

    /// Lists a socket for writing at the end of this turn.
    pub fn list_to_write(&mut self, key: usize) {
        if let Some(socket) = self.sockets.get_mut(key)
            && socket.wants_write()
            && !socket.listed_to_write
        {
            socket.listed_to_write = true;
            self.to_write.push(key);
        }
    }

    /// The sockets to read now.
    pub fn take_to_read(&mut self) -> Vec<usize> {
        let keys = std::mem::take(&mut self.to_read);
        for &key in &keys {
            if let Some(socket) = self.sockets.get_mut(key) {
                socket.listed_to_read = false;
            }
        }
        keys
    }

    /// The sockets to write now.
    pub fn take_to_write(&mut self) -> Vec<usize> {
        let keys = std::mem::take(&mut self.to_write);
        for &key in &keys {
            if let Some(socket) = self.sockets.get_mut(key) {
                socket.listed_to_write = false;
            }
        }
        keys
    }

    /// Is there work that needs no event?
    pub fn any_listed(&self) -> bool {
        !self.to_read.is_empty() || !self.to_write.is_empty()
    }
}

impl Socket {
    fn new(stream: TcpStream, permit: Permit, id: ConnectionId, connecting: bool) -> Socket {
        Socket {
            stream,
            _permit: permit,
            id,
            connecting,
            readable: false,
            ending: false,
            reading: true,
            writable: !connecting,
            writing: false,
            lingering: None,
            listed_to_read: false,
            listed_to_write: false,
        }
    }

    /// Notes what the poll said.
    pub fn note(&mut self, event: &mio::event::Event) {
        let over = event.is_read_closed() || event.is_error();
        self.readable |= event.is_readable() || over;
        self.ending |= over;
        self.writable |= event.is_writable() || event.is_error();
    }

    fn wants_read(&self) -> bool {
        self.readable && self.reading && !self.connecting
    }

    fn wants_write(&self) -> bool {
        self.writable && self.writing && !self.connecting
    }
}

/// How far an outgoing connection got.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    Waiting,
    Connected,
    Failed(ConnectFailure),
}

/// Asks the system how far a connect got; a writable event alone may be spurious.
pub fn progress(stream: &TcpStream) -> Progress {
    match stream
        .take_error()
        .and_then(|error| error.map_or(Ok(()), Err))
        .and_then(|()| stream.peer_addr())
    {
        Ok(_) => Progress::Connected,
        Err(error) if error.kind() == ErrorKind::NotConnected => Progress::Waiting,
        Err(error) => Progress::Failed(connect_failure(&error)),
    }
}

/// The engine's word for a failed connect.
pub fn connect_failure(error: &io::Error) -> ConnectFailure {
    match error.kind() {
        ErrorKind::ConnectionRefused
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted => ConnectFailure::Refused,
        ErrorKind::TimedOut => ConnectFailure::TimedOut,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
            ConnectFailure::Unreachable
        }
        _ => ConnectFailure::NoSocket,
    }
}

/// Starts a connection; the poll says when it is made.
///
/// # Errors
/// When the system gives no socket or knows at once that it cannot reach `address`.
pub fn connect(address: SocketAddr) -> Result<TcpStream, ConnectFailure> {
    TcpStream::connect(address).map_err(|error| connect_failure(&error))
}

/// No delay for small writes, and a bound on how long the end of an idle peer goes unnoticed.
///
/// A socket that takes no option is still a socket: failures are only logged.
fn tune(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(PROBE_AFTER)
        .with_interval(PROBE_EVERY)
        .with_retries(PROBES);
    let socket = SockRef::from(stream);
    let tuned = socket
        .set_tcp_nodelay(true)
        .and_then(|()| socket.set_tcp_keepalive(&keepalive));
    if let Err(error) = tuned {
        tracing::debug!(%error, "a socket option was refused");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_connect_is_named_by_its_cause() {
        let cases = [
            (ErrorKind::ConnectionRefused, ConnectFailure::Refused),
            (ErrorKind::TimedOut, ConnectFailure::TimedOut),
            (ErrorKind::HostUnreachable, ConnectFailure::Unreachable),
            (ErrorKind::NetworkUnreachable, ConnectFailure::Unreachable),
            (ErrorKind::AddrNotAvailable, ConnectFailure::NoSocket),
        ];
        for (kind, expected) in cases {
            assert_eq!(
                connect_failure(&io::Error::from(kind)),
                expected,
                "{kind:?}"
            );
        }
    }

    #[test]
    fn a_vanished_peer_is_found_by_probes_and_a_pausing_one_is_left_alone() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let stream = connect(address).expect("a connection begins");
        tune(&stream);
        let socket = SockRef::from(&stream);
        assert!(socket.tcp_nodelay().expect("it is told"));
        assert!(socket.keepalive().expect("it is told"));
        let probes = (
            socket.tcp_keepalive_time().expect("it is told"),
            socket.tcp_keepalive_interval().expect("it is told"),
            socket.tcp_keepalive_retries().expect("it is told"),
        );
        assert_eq!(probes, (PROBE_AFTER, PROBE_EVERY, PROBES));
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout().expect("it is told"), None);
    }
}
