//! What a hostile backend does, as data; and how it is done.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval};

use crate::hostile::tap::{Seen, Tap};
use crate::raw::{Frame, Heard, Peer, Sent, kind};

/// One way for a backend to be hostile.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// Stable name, fit to be the name of a service.
    pub name: &'static str,
    pub(super) script: Script,
}

/// What is done on every connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Script {
    /// These octets come in place of a greeting.
    Instead(fn() -> Vec<u8>, Then),
    /// The client's preface is taken, then the connection closed.
    ClosesAfterPreface,
    /// A greeting with these settings, which answers nothing.
    Greets(&'static [(u16, u32)]),
    /// Every request, by its stream, is answered with these octets.
    Answers(fn(u32) -> Vec<u8>, Then),
    /// Every request is reset with this code.
    Resets(u32),
    /// The first request is answered with the first, then with the second without end.
    Floods(fn(u32) -> Vec<u8>, fn(u32) -> Vec<u8>),
    /// Every request is answered octet by octet, one in 20 ms.
    Dribbles(fn(u32) -> Vec<u8>),
}

/// What follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Then {
    /// Nothing, for ever.
    Hangs,
    /// The connection is closed.
    Closes,
}

/// Longer than anybody waits here.
const FOR_EVER: Duration = Duration::from_secs(60);
/// Between octets of a dribble.
const DRIBBLE: Duration = Duration::from_millis(20);
/// Pieces of a flood, unless it is ended.
const PIECES: usize = 20_000;

/// Plays a form on a connection, until the other side closes it. `seen` counts what comes.
pub(super) async fn play(form: Form, socket: TcpStream, seen: Arc<Seen>) {
    let _ = socket.set_nodelay(true);
    let mut peer = Peer::over(Tap::new(socket, seen));
    match form.script {
        Script::Instead(octets, then) => {
            peer.send_octets(&octets()).await;
            if then == Then::Hangs {
                peer.until_closed(FOR_EVER).await;
            }
        }
        Script::ClosesAfterPreface => drop(peer.until_preface().await),
        Script::Greets(settings) => {
            drop(peer.greet_as_server(settings).await);
            peer.until_closed(FOR_EVER).await;
        }
        Script::Answers(octets, then) => answers(&mut peer, octets, then).await,
        Script::Resets(code) => {
            let mut next = greeted(&mut peer).await;
            while let Some(stream) = next {
                peer.send(&Frame::reset(stream, code)).await;
                next = request(&mut peer).await;
            }
        }
        Script::Floods(first, piece) => floods(&mut peer, first, piece).await,
        Script::Dribbles(octets) => dribbles(&mut peer, octets).await,
    }
}

async fn answers(peer: &mut Peer<Tap>, octets: fn(u32) -> Vec<u8>, then: Then) {
    let mut next = greeted(peer).await;
    while let Some(stream) = next {
        peer.send_reading(&octets(stream)).await;
        if then == Then::Closes {
            return;
        }
        next = request(peer).await;
    }
}

async fn floods(peer: &mut Peer<Tap>, first: fn(u32) -> Vec<u8>, piece: fn(u32) -> Vec<u8>) {
    let Some(stream) = greeted(peer).await else {
        return;
    };
    peer.send_reading(&first(stream)).await;
    let piece = piece(stream);
    for _ in 0..PIECES {
        if peer.send_reading(&piece).await != Sent::All {
            break;
        }
    }
    peer.until_closed(FOR_EVER).await;
}

async fn dribbles(peer: &mut Peer<Tap>, octets: fn(u32) -> Vec<u8>) {
    let Some(stream) = greeted(peer).await else {
        return;
    };
    let mut pace = interval(DRIBBLE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for octet in octets(stream) {
        pace.tick().await;
        if peer.send_reading(&[octet]).await != Sent::All {
            return;
        }
    }
    peer.until_closed(FOR_EVER).await;
}

/// The stream of the first request, behind a proper greeting.
async fn greeted(peer: &mut Peer<Tap>) -> Option<u32> {
    peer.greet_as_server(&[]).await.ok()?;
    request(peer).await
}

/// The stream of the next request.
async fn request(peer: &mut Peer<Tap>) -> Option<u32> {
    match peer
        .until(FOR_EVER, |frame| frame.kind == kind::HEADERS)
        .await
    {
        Heard::Frame(frame) => Some(frame.stream),
        Heard::Closed | Heard::Silence => None,
    }
}

/// Frames, one behind the other.
pub(super) fn wire(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(Frame::encode).collect()
}
