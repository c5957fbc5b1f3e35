//! The listener of the admin pages: few connections, and only short ones.
//!
//! A connection on which nothing is written for 10 s is closed: its peer has not asked, sends its
//! request octet by octet, or does not read the answer. Above the limit, the address with the most
//! connections loses its oldest one, so a client that holds all of them cannot lock others out. The
//! limit is low because the process needs its descriptors for other things.

#![expect(
    clippy::disallowed_types,
    reason = "beside the data path: the lock is held for a look into a map"
)]

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use outrider_eviction::ConnectionsByAddress;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep};

/// Connections at once. 64: scrapers, probes and a few people.
pub const ADMIN_CONNECTIONS_MAX: usize = 64;

/// Longest time in which no octet of an answer is written. 10 s.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause after an accept that failed, so that "too many open files" is no busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener for `axum::serve`.
#[derive(Debug)]
pub struct AdminListener {
    listener: TcpListener,
    connections: Connections,
}

#[derive(Clone, Debug, Default)]
struct Connections(Arc<Mutex<Inside>>);

#[derive(Debug, Default)]
struct Inside {
    last: u64,
    by_address: ConnectionsByAddress<u64>,
    /// Dropping one evicts its connection.
    evictors: BTreeMap<u64, oneshot::Sender<()>>,
}

/// A connection of an [`AdminListener`].
#[derive(Debug)]
pub struct AdminConnection {
    stream: TcpStream,
    connections: Connections,
    from: IpAddr,
    number: u64,
    evicted: oneshot::Receiver<()>,
    timeout: Pin<Box<Sleep>>,
}

impl AdminListener {
    /// Limits the connections of `listener`.
    pub fn new(listener: TcpListener) -> AdminListener {
        AdminListener {
            listener,
            connections: Connections::default(),
        }
    }
}

impl Listener for AdminListener {
    type Io = AdminConnection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (AdminConnection, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, from)) => return (self.connections.admit(stream, from.ip()), from),
                Err(error) => {
                    tracing::warn!(%error, "admin connection not accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connections {
    fn admit(&self, stream: TcpStream, from: IpAddr) -> AdminConnection {
        let (evictors, evicted) = oneshot::channel();
        let number = self.lock().insert(from, evictors);
        AdminConnection {
            stream,
            connections: self.clone(),
            from,
            number,
            evicted,
            timeout: Box::pin(sleep(WRITE_TIMEOUT)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        // The counts are right even after a panic, so poisoning is ignored.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn insert(&mut self, from: IpAddr, evictors: oneshot::Sender<()>) -> u64 {
        self.last += 1;
        self.by_address.insert(from, self.last);
        self.evictors.insert(self.last, evictors);
        if self.by_address.count() > ADMIN_CONNECTIONS_MAX
            && let Some(victim) = self.by_address.pop()
        {
            self.evictors.remove(&victim);
        }
        self.last
    }
}

impl AdminConnection {
    /// Fails when the connection was evicted or its timeout has passed.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let evicted = Pin::new(&mut self.evicted).poll(cx).is_ready();
        if evicted || self.timeout.as_mut().poll(cx).is_ready() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    fn written(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.timeout = Box::pin(sleep(WRITE_TIMEOUT));
        }
        written
    }
}

impl Drop for AdminConnection {
    fn drop(&mut self) {
        let mut inside = self.connections.lock();
        inside.by_address.remove(self.from, self.number);
        inside.evictors.remove(&self.number);
    }
}

impl AsyncRead for AdminConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_end(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for AdminConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_end(cx)?;
        let written = Pin::new(&mut self.stream).poll_write(cx, octets);
        self.written(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_end(cx)?;
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(written)
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
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn above_the_limit_the_oldest_of_the_busiest_address_is_evicted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut admin = AdminListener::new(listener);
        let mut clients = Vec::new();
        let mut served = Vec::new();
        for _ in 0..=ADMIN_CONNECTIONS_MAX {
            clients.push(TcpStream::connect(address).await.expect("a connection"));
            served.push(admin.accept().await.0);
        }
        let mut octet = [0; 1];
        let ended = served[0].read(&mut octet).await;
        assert_eq!(ended.err().map(|e| e.kind()), Some(io::ErrorKind::TimedOut));
        drop(clients.remove(1));
        assert_eq!(
            served[1].read(&mut octet).await.ok(),
            Some(0),
            "it was not evicted"
        );
        drop(served);
        assert_eq!(admin.connections.lock().by_address.count(), 0);
        assert!(admin.connections.lock().evictors.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_write_for_ten_seconds_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut admin = AdminListener::new(listener);
        let _client = TcpStream::connect(address).await.expect("a connection");
        let mut served = admin.accept().await.0;
        let ended = served.read(&mut [0; 1]).await;
        assert_eq!(ended.err().map(|e| e.kind()), Some(io::ErrorKind::TimedOut));
    }
}
