//! A connection whose other end is known, and which lasts no longer than what made it known.
//!
//! tonic puts the [`Caller`] into the extensions of every request; when the caller's certificate
//! expires, or its root retires, the connection ends, and every stream on it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::connection_limits::{Gone, Seat};
use crate::members::caller::{Caller, Identity, Workload};

/// How long somebody without a certificate may stay. 10 s: to ask for the bundle and to join takes
/// less than one.
const ANONYMOUS_LIFE: Duration = Duration::from_secs(10);

/// Longest life of an operator's connection: the life of its certificate, which it shows anew
/// when it connects anew.
const OPERATOR_LIFE: Duration = Duration::from_secs(24 * 3_600);

/// A connection after its handshake.
pub struct Connection {
    stream: TlsStream<TcpStream>,
    caller: Caller,
    /// Its place among the guests, until it is dropped.
    _seat: Option<Seat>,
    end: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Connection {
    /// The connection of `caller`, who has shown its certificate at `now_ms`, until that expires
    /// or `distrusted` says that it is believed no longer. Milliseconds since 1970-01-01 UTC.
    pub fn new(
        stream: TlsStream<TcpStream>,
        caller: Caller,
        now_ms: i64,
        distrusted: impl Future<Output = ()> + Send + 'static,
    ) -> Connection {
        let life = life(&caller.identity, now_ms);
        let end = Box::pin(async move {
            tokio::select! {
                () = sleep(life) => {}
                () = distrusted => {}
            }
        });
        Connection {
            stream,
            caller,
            _seat: None,
            end,
        }
    }

    /// The same, with a place at the door, until it has to go for others.
    pub fn seated(self, seat: Seat, mut gone: Gone) -> Connection {
        let before = self.end;
        let end = Box::pin(async move {
            tokio::select! {
                () = before => {}
                () = gone.wait() => {}
            }
        });
        let _seat = Some(seat);
        Connection { _seat, end, ..self }
    }
}

fn life(identity: &Identity, now_ms: i64) -> Duration {
    match identity {
        Identity::Anonymous => ANONYMOUS_LIFE,
        Identity::Operator => OPERATOR_LIFE,
        Identity::Sidecar(Workload { expires_unix, .. }) => {
            // The last second is still good (RFC 5280 4.1.2.5), so that no handshake before this
            // end makes a connection without a life.
            let end_ms = expires_unix.saturating_add(1).saturating_mul(1_000);
            let left_ms = end_ms.saturating_sub(now_ms);
            Duration::from_millis(u64::try_from(left_ms).unwrap_or(0))
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Whoever serves a connection always reads it: to end the reading ends all of it.
        if self.end.as_mut().poll(cx).is_ready() {
            let ended = "its certificate does not count any more, or others needed its place";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, ended)));
        }
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        Poll::Ready(read)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::members::MemberId;

    #[test]
    fn a_sidecars_connection_lasts_as_long_as_its_certificate() {
        let life_at = |now_ms| {
            let workload = Workload {
                namespace: "default".to_owned(),
                service: "orders".to_owned(),
                member: MemberId::UNKNOWN,
                expires_unix: 100,
                issuer: String::new(),
            };
            life(&Identity::Sidecar(workload), now_ms)
        };
        assert_eq!(life_at(40_000), Duration::from_secs(61));
        assert_eq!(life_at(100_999), Duration::from_millis(1));
        assert_eq!(life_at(101_000), Duration::ZERO);
        assert_eq!(life_at(i64::MAX), Duration::ZERO);
    }
}
