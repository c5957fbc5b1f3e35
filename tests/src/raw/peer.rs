//! One connection under our thumb, either role.
//!
//! Nothing is answered unless it is said so: who leaves answers unread, or a half frame unsent, is
//! as wanted.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};

use super::door::{Door, Wire};
use super::frame::{Frame, flag, kind};

/// The client's first octets (RFC 9113 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A raw connection and what was received on it but not looked at.
#[derive(Debug)]
pub struct Peer<S = Wire> {
    socket: S,
    received: Vec<u8>,
    is_over: bool,
}

/// What came next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// A whole frame.
    Frame(Frame),
    /// The other side closed, gracefully or not.
    Closed,
    /// Nothing within the time given.
    Silence,
}

/// How sending went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// The system took everything.
    All,
    /// The other side closed.
    Closed,
    /// The other side stopped reading for the time given.
    Stalled,
}

impl Peer {
    /// Connects and says nothing, TLS apart.
    ///
    /// # Errors
    /// What the system or TLS says.
    pub async fn connect(door: impl Into<Door>) -> io::Result<Peer> {
        let door = door.into();
        let socket = TcpStream::connect(door.address).await?;
        Ok(Peer::over(door.enter(socket).await?))
    }

    /// As [`Peer::connect`], with a receive buffer of `bytes`: who does not read is felt soon.
    ///
    /// # Errors
    /// As [`Peer::connect`].
    pub async fn connect_narrow(door: impl Into<Door>, bytes: u32) -> io::Result<Peer> {
        let door = door.into();
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(bytes)?;
        let socket = socket.connect(door.address).await?;
        Ok(Peer::over(door.enter(socket).await?))
    }

    /// Connects and greets as a client: preface, `settings`, and an acknowledgement of theirs.
    ///
    /// # Errors
    /// As [`Peer::connect`], or `TimedOut` when no SETTINGS come.
    pub async fn greet(door: impl Into<Door>, settings: &[(u16, u32)]) -> io::Result<Peer> {
        let mut peer = Peer::connect(door).await?;
        peer.greet_as_client(settings).await?;
        Ok(peer)
    }

    /// A connection that was accepted.
    pub fn new(socket: TcpStream) -> Peer {
        // A raw peer decides itself what goes out when.
        let _ = socket.set_nodelay(true);
        Peer::over(Box::new(socket))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    /// A connection that is looked at on its way.
    pub fn over(socket: S) -> Peer<S> {
        Peer {
            socket,
            received: Vec::new(),
            is_over: false,
        }
    }

    /// Greets as a client on a connection that has said nothing yet.
    ///
    /// # Errors
    /// As [`Peer::greet`].
    pub async fn greet_as_client(&mut self, settings: &[(u16, u32)]) -> io::Result<()> {
        let mut hello = PREFACE.to_vec();
        hello.extend(Frame::settings(settings).encode());
        self.socket.write_all(&hello).await?;
        self.socket.flush().await?;
        self.until_settings().await
    }

    /// Greets as a server: takes the client's preface, says `settings` and acknowledges theirs.
    ///
    /// # Errors
    /// What the system says, or `TimedOut` when no preface and SETTINGS come.
    pub async fn greet_as_server(&mut self, settings: &[(u16, u32)]) -> io::Result<()> {
        self.until_preface().await?;
        self.socket
            .write_all(&Frame::settings(settings).encode())
            .await?;
        self.until_settings().await
    }

    /// Takes the client's preface and says nothing.
    ///
    /// # Errors
    /// What the system says, or `TimedOut`.
    pub async fn until_preface(&mut self) -> io::Result<()> {
        let end = Instant::now() + GREETING;
        while self.received.len() < PREFACE.len() {
            match timeout_at(end, self.read_more()).await {
                Ok(true) => {}
                Ok(false) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
        self.received.drain(..PREFACE.len());
        Ok(())
    }

    async fn until_settings(&mut self) -> io::Result<()> {
        let theirs = self
            .until(GREETING, |frame| {
                frame.kind == kind::SETTINGS && !frame.has(flag::ACK)
            })
            .await;
        match theirs {
            Heard::Frame(_) => {
                let ack = Frame::settings_ack().encode();
                self.socket.write_all(&ack).await?;
                self.socket.flush().await
            }
            Heard::Closed => Err(io::ErrorKind::UnexpectedEof.into()),
            Heard::Silence => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Sends a frame; reads nothing meanwhile.
    pub async fn send(&mut self, frame: &Frame) -> Sent {
        self.send_octets(&frame.encode()).await
    }

    /// Sends any octets; reads nothing meanwhile. Gives up after 2 s without progress.
    pub async fn send_octets(&mut self, mut octets: &[u8]) -> Sent {
        loop {
            match timeout(STALL, push(&mut self.socket, octets)).await {
                Ok(Ok(0)) if octets.is_empty() => return Sent::All,
                Ok(Ok(count)) if count > 0 => octets = &octets[count..],
                Ok(_) => return Sent::Closed,
                Err(_) => return Sent::Stalled,
            }
        }
    }

    /// Sends any octets and reads whatever comes meanwhile, for a later [`Peer::next`]. Gives up
    /// after 2 s in which neither moves.
    pub async fn send_reading(&mut self, mut octets: &[u8]) -> Sent {
        let mut piece = vec![0; READ_BYTES];
        loop {
            let Peer { socket, .. } = self;
            let (mut reads, mut writes) = tokio::io::split(socket);
            let step = async {
                tokio::select! {
                    written = push(&mut writes, octets) => Step::Wrote(written),
                    read = reads.read(&mut piece), if !self.is_over => Step::Read(read),
                }
            };
            match timeout(STALL, step).await {
                Ok(Step::Wrote(Ok(0))) if octets.is_empty() => return Sent::All,
                Ok(Step::Wrote(Ok(count))) if count > 0 => octets = &octets[count..],
                Ok(Step::Read(Ok(count))) if count > 0 => {
                    self.received.extend_from_slice(&piece[..count]);
                }
                Ok(Step::Read(_)) => {
                    self.is_over = true;
                    return Sent::Closed;
                }
                Ok(Step::Wrote(_)) => return Sent::Closed,
                Err(_) => return Sent::Stalled,
            }
        }
    }

    /// The next frame, waiting for it at most `patience`.
    pub async fn next(&mut self, patience: Duration) -> Heard {
        self.until(patience, |_| true).await
    }

    /// The next frame that is `wanted`, waiting for it at most `patience`; others are dropped.
    pub async fn until(&mut self, patience: Duration, wanted: impl Fn(&Frame) -> bool) -> Heard {
        let end = Instant::now() + patience;
        loop {
            while let Some(frame) = Frame::take(&mut self.received) {
                if wanted(&frame) {
                    return Heard::Frame(frame);
                }
            }
            match timeout_at(end, self.read_more()).await {
                Ok(true) => {}
                Ok(false) => return Heard::Closed,
                Err(_) => return Heard::Silence,
            }
        }
    }

    /// Octets received and not looked at, as they are.
    pub fn unread(&self) -> &[u8] {
        &self.received
    }

    /// Reads until the other side closes; false when it has not within `patience`.
    pub async fn until_closed(&mut self, patience: Duration) -> bool {
        let closed = async { while self.read_more().await {} };
        timeout(patience, closed).await.is_ok()
    }

    /// Says that nothing more will be sent (a TCP FIN).
    pub async fn finish(&mut self) {
        let _ = self.socket.shutdown().await;
    }

    /// False at the end.
    async fn read_more(&mut self) -> bool {
        if self.is_over {
            return false;
        }
        let mut piece = vec![0; READ_BYTES];
        match self.socket.read(&mut piece).await {
            Ok(count) if count > 0 => {
                self.received.extend_from_slice(&piece[..count]);
                true
            }
            Ok(_) | Err(_) => {
                self.is_over = true;
                false
            }
        }
    }
}

/// Hands over some octets and says how many; when there are none, waits until TLS has handed over
/// its own.
async fn push(socket: &mut (impl AsyncWrite + Unpin), octets: &[u8]) -> io::Result<usize> {
    match octets {
        [] => socket.flush().await.map(|()| 0),
        _ => socket.write(octets).await,
    }
}

enum Step {
    Wrote(io::Result<usize>),
    Read(io::Result<usize>),
}

/// Longest wait for the other side's part of a greeting.
const GREETING: Duration = Duration::from_secs(5);
/// Longest time without progress when sending.
const STALL: Duration = Duration::from_secs(2);
const READ_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn both_roles_greet_and_exchange_frames() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let server = tokio::spawn(async move {
            let (socket, _) = listener.accept().await.expect("a connection");
            let mut server = Peer::new(socket);
            server.greet_as_server(&[(1, 2)]).await.expect("a greeting");
            let heard = server
                .until(GREETING, |frame| frame.kind == kind::PING)
                .await;
            server.send(&Frame::goaway(0, 0)).await;
            heard
        });
        let mut client = Peer::greet(address, &[]).await.expect("a greeting");
        assert_eq!(client.send(&Frame::ping([7; 8])).await, Sent::All);
        let goaway = client
            .until(GREETING, |frame| frame.kind == kind::GOAWAY)
            .await;
        assert_eq!(goaway, Heard::Frame(Frame::goaway(0, 0)));
        assert_eq!(client.next(GREETING).await, Heard::Closed);
        let heard = server.await.expect("the server ends");
        assert_eq!(heard, Heard::Frame(Frame::ping([7; 8])));
    }
}
