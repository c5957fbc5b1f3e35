//! A connection of an authenticated caller. It lasts no longer than the caller's certificate.
//!
//! tonic puts the [`Caller`] into the extensions of every request; when the caller's certificate
//! expires or its root retires, the connection and all its streams end.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::connection_limits::{ConnectionSlot, Evicted};
use crate::members::caller::{Caller, Identity, Workload};

/// Longest life of a connection without a certificate. 10 s: asking for the bundle and joining take
/// less than one.
const ANONYMOUS_LIFE: Duration = Duration::from_secs(10);

/// Longest life of an operator's connection: the life of its certificate.
const OPERATOR_LIFE: Duration = Duration::from_secs(24 * 3_600);

/// A connection after its handshake.
pub struct Connection {
    stream: TlsStream<TcpStream>,
    caller: Caller,
    /// Freed when the connection is dropped.
    _slot: Option<ConnectionSlot>,
    end: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Connection {
    /// The connection of `caller`, authenticated at `now_ms`. It ends when the certificate expires or
    /// `distrusted` completes. Milliseconds since 1970-01-01 UTC.
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
            _slot: None,
            end,
        }
    }

    /// The same connection, which holds `slot` and also ends when it is evicted.
    pub fn with_slot(self, slot: ConnectionSlot, mut evicted: Evicted) -> Connection {
        let before = self.end;
        let end = Box::pin(async move {
            tokio::select! {
                () = before => {}
                () = evicted.wait() => {}
            }
        });
        let _slot = Some(slot);
        Connection { _slot, end, ..self }
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
        // The server always reads from a connection, so an error here ends all of it.
        if self.end.as_mut().poll(cx).is_ready() {
            let ended = "its certificate is no longer accepted, or its place was needed for others";
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
