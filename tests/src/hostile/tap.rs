//! What really reaches a backend: its connections are tapped and their frames counted before any
//! library has an opinion of them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::interval;

use crate::raw::{PREFACE, kind};

/// Looks at counters that move one after the other.
const LOOKS: usize = 20;

/// Counts over all connections of a backend since its start.
#[derive(Debug, Default)]
pub struct Seen {
    heads: AtomicU64,
    resets: AtomicU64,
    answered: AtomicU64,
    in_flight_max: AtomicU64,
    victims: AtomicU64,
}

impl Seen {
    /// Request heads received, those of well-behaved clients not counted. A head is counted before it
    /// is known whose it is, so the least of some looks is the number.
    pub async fn attack_heads(&self) -> u64 {
        let mut looks = interval(Duration::from_millis(1));
        let mut least = u64::MAX;
        for _ in 0..LOOKS {
            looks.tick().await;
            let victims = self.victims.load(Relaxed);
            least = least.min(self.heads.load(Relaxed).saturating_sub(victims));
        }
        least
    }

    /// Most requests in flight at once since [`Seen::forget_most`]: neither reset nor answered.
    pub fn in_flight_max(&self) -> u64 {
        self.in_flight_max.load(Relaxed)
    }

    /// Measures the most anew.
    pub fn forget_most(&self) {
        self.in_flight_max.store(self.in_flight(), Relaxed);
    }

    /// A request was answered to its end.
    pub(super) fn note_answered(&self) {
        self.answered.fetch_add(1, Relaxed);
    }

    /// A request is that of a well-behaved client.
    pub(super) fn note_victim(&self) {
        self.victims.fetch_add(1, Relaxed);
    }

    fn in_flight(&self) -> u64 {
        let over = self.resets.load(Relaxed) + self.answered.load(Relaxed);
        self.heads.load(Relaxed).saturating_sub(over)
    }

    fn note(&self, frame_kind: u8) {
        match frame_kind {
            kind::HEADERS => {
                self.heads.fetch_add(1, Relaxed);
                self.in_flight_max.fetch_max(self.in_flight(), Relaxed);
            }
            kind::RST_STREAM => {
                self.resets.fetch_add(1, Relaxed);
            }
            _ => {}
        }
    }
}

/// A socket whose received frames are counted.
#[derive(Debug)]
pub(super) struct Tap {
    socket: TcpStream,
    seen: Arc<Seen>,
    /// Octets to pass over before the next frame head: the preface, then payloads.
    skip: usize,
    head: Vec<u8>,
}

impl Tap {
    pub(super) fn new(socket: TcpStream, seen: Arc<Seen>) -> Tap {
        Tap {
            socket,
            seen,
            skip: PREFACE.len(),
            head: Vec::with_capacity(9),
        }
    }

    fn watch(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            let skipped = self.skip.min(octets.len());
            self.skip -= skipped;
            octets = &octets[skipped..];
            let missing = (9 - self.head.len()).min(octets.len());
            self.head.extend_from_slice(&octets[..missing]);
            octets = &octets[missing..];
            if let [a, b, c, frame_kind, ..] = self.head[..]
                && self.head.len() == 9
            {
                self.seen.note(frame_kind);
                self.skip = u32::from_be_bytes([0, a, b, c]) as usize;
                self.head.clear();
            }
        }
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(context, buffer))?;
        let octets = buffer.filled()[before..].to_vec();
        self.watch(&octets);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
