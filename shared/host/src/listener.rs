//! The listener of the admin pages: few connections, short ones, and none that takes another's place
//! for long.
//!
//! A connection that is given nothing for 10 s ends: it has not asked, dribbles its question, or does
//! not read the answer. Of too many, the address with the most gives its oldest up, so that who holds
//! all of them still keeps nobody from a page. The descriptors that the pages may take are few: the
//! process needs the others.

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
use outrider_eviction::Crowd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep};

/// Connections at once. 64: scrapers, probes and a few people.
pub const ADMIN_CONNECTIONS_MAX: usize = 64;

/// Longest time without a word of an answer. 10 s.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pause after an accept that failed, so that "too many open files" is no busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener for `axum::serve`.
#[derive(Debug)]
pub struct AdminListener {
    listener: TcpListener,
    guests: Guests,
}

#[derive(Clone, Debug, Default)]
struct Guests(Arc<Mutex<Inside>>);

#[derive(Debug, Default)]
struct Inside {
    last: u64,
    crowd: Crowd<u64>,
    /// The end of one tells its connection to go.
    stays: BTreeMap<u64, oneshot::Sender<()>>,
}

/// A connection of it.
#[derive(Debug)]
pub struct AdminConnection {
    stream: TcpStream,
    guests: Guests,
    from: IpAddr,
    number: u64,
    goes: oneshot::Receiver<()>,
    patience: Pin<Box<Sleep>>,
}

impl AdminListener {
    /// Limits what comes to `listener`.
    pub fn new(listener: TcpListener) -> AdminListener {
        AdminListener {
            listener,
            guests: Guests::default(),
        }
    }
}

impl Listener for AdminListener {
    type Io = AdminConnection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (AdminConnection, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, from)) => return (self.guests.seat(stream, from.ip()), from),
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

impl Guests {
    fn seat(&self, stream: TcpStream, from: IpAddr) -> AdminConnection {
        let (stays, goes) = oneshot::channel();
        let number = self.lock().arrive(from, stays);
        AdminConnection {
            stream,
            guests: self.clone(),
            from,
            number,
            goes,
            patience: Box::pin(sleep(PATIENCE)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        // What a panic left behind is counted all the same.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn arrive(&mut self, from: IpAddr, stays: oneshot::Sender<()>) -> u64 {
        self.last += 1;
        self.crowd.insert(from, self.last);
        self.stays.insert(self.last, stays);
        if self.crowd.count() > ADMIN_CONNECTIONS_MAX
            && let Some(surplus) = self.crowd.pop()
        {
            self.stays.remove(&surplus);
        }
        self.last
    }
}

impl AdminConnection {
    /// Ends what waits for too long or has to go.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let goes = Pin::new(&mut self.goes).poll(cx).is_ready();
        if goes || self.patience.as_mut().poll(cx).is_ready() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    fn written(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.patience = Box::pin(sleep(PATIENCE));
        }
        written
    }
}

impl Drop for AdminConnection {
    fn drop(&mut self) {
        let mut inside = self.guests.lock();
        inside.crowd.remove(self.from, self.number);
        inside.stays.remove(&self.number);
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
    async fn of_too_many_the_oldest_of_the_busiest_address_goes() {
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
            "it may stay"
        );
        drop(served);
        assert_eq!(admin.guests.lock().crowd.count(), 0);
        assert!(admin.guests.lock().stays.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_given_nothing_for_ten_seconds_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut admin = AdminListener::new(listener);
        let _client = TcpStream::connect(address).await.expect("a connection");
        let mut served = admin.accept().await.0;
        let ended = served.read(&mut [0; 1]).await;
        assert_eq!(ended.err().map(|e| e.kind()), Some(io::ErrorKind::TimedOut));
    }
}
