//! What reaches a server: a relay before it that counts RST_STREAM frames with CANCEL.
//!
//! The official servers say nothing of calls that were cancelled; their wire does. Changes no octet
//! and knows no more of HTTP/2 than frame headers (RFC 9113, section 4.1).

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// A relay to one server. Ends when dropped.
#[derive(Debug)]
pub struct Tap {
    /// Where it listens.
    pub address: SocketAddr,
    cancelled: watch::Receiver<u64>,
    accepts: AbortHandle,
}

impl Tap {
    /// Starts before `server`, on a free port.
    pub async fn start(server: SocketAddr) -> Tap {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (counts, cancelled) = watch::channel(0);
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(relay(near, server, counts.clone()));
            }
        });
        Tap {
            address,
            cancelled,
            accepts: accepting.abort_handle(),
        }
    }

    /// Streams cancelled so far.
    pub fn cancelled(&self) -> u64 {
        *self.cancelled.borrow()
    }

    /// Returns when `count` streams have been cancelled.
    pub async fn until_cancelled(&self, count: u64) {
        let mut cancelled = self.cancelled.clone();
        let reached = cancelled.wait_for(|now| *now >= count).await;
        reached.expect("the tap lives as long as its count");
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.accepts.abort();
    }
}

/// One connection, until both directions are over.
async fn relay(near: TcpStream, server: SocketAddr, counts: watch::Sender<u64>) {
    let Ok(far) = TcpStream::connect(server).await else {
        return;
    };
    // A relay that gathers octets would hold back what is tested.
    near.set_nodelay(true).ok();
    far.set_nodelay(true).ok();
    let (near_reads, near_writes) = near.into_split();
    let (far_reads, far_writes) = far.into_split();
    let mut frames = Frames::after_preface();
    let requests = copy(near_reads, far_writes, |octets| {
        let more = frames.cancels(octets);
        counts.send_if_modified(|count| {
            *count += more;
            more > 0
        });
    });
    tokio::join!(requests, copy(far_reads, near_writes, |_| ()));
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut seen: impl FnMut(&[u8])) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count) = from.read(&mut buffer).await {
        seen(&buffer[..count]);
        if count == 0 || to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    to.shutdown().await.ok();
}

/// Octets of the client's preface, "PRI * HTTP/2.0" and so on.
const PREFACE: usize = 24;
const HEADER: usize = 9;
const RST_STREAM: u8 = 3;
const CANCEL: [u8; 4] = [0, 0, 0, 8];

/// Follows frames through octets that come cut anywhere.
struct Frames {
    /// Octets to pass over.
    skip: usize,
    /// The start of a frame: its header, and with RST_STREAM its code.
    start: Vec<u8>,
}

impl Frames {
    fn after_preface() -> Frames {
        Frames {
            skip: PREFACE,
            start: Vec::with_capacity(HEADER + CANCEL.len()),
        }
    }

    /// Frames that ended in `octets` and cancel a stream.
    fn cancels(&mut self, octets: &[u8]) -> u64 {
        octets.iter().filter(|octet| self.step(**octet)).count() as u64
    }

    fn step(&mut self, octet: u8) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.start.push(octet);
        match self.start.as_slice() {
            [0, 0, 4, RST_STREAM, rest @ ..] if rest.len() < 5 + CANCEL.len() => false,
            [a, b, c, kind, ..] if self.start.len() >= HEADER => {
                let cancels = *kind == RST_STREAM && self.start.ends_with(&CANCEL);
                let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
                self.skip = (HEADER + length).saturating_sub(self.start.len());
                self.start.clear();
                cancels
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).expect("a short frame");
        let mut frame = vec![0, 0, length, kind, 0, 0, 0, 0, 1];
        frame.extend(payload);
        frame
    }

    #[test]
    fn cancels_are_counted_however_the_octets_are_cut() {
        let mut octets = vec![b'P'; PREFACE];
        octets.extend(frame(4, &[]));
        octets.extend(frame(0, &frame(RST_STREAM, &CANCEL)));
        octets.extend(frame(RST_STREAM, &CANCEL));
        octets.extend(frame(RST_STREAM, &[0, 0, 0, 2]));
        octets.extend(frame(1, &[7; 200]));
        octets.extend(frame(RST_STREAM, &CANCEL));
        for size in [1, 2, 5, 13, octets.len()] {
            let mut frames = Frames::after_preface();
            let count: u64 = octets.chunks(size).map(|cut| frames.cancels(cut)).sum();
            assert_eq!(count, 2, "in pieces of {size}");
        }
    }
}
