//! Hostile requests: the closed list of those that no backend may ever see.
//!
//! Each is alone on a connection of its own. What becomes of it is told on its stream or by the end
//! of the connection, and a good call behind it shows that nothing of it had gone ahead.

mod authorities;
mod judge;
mod paths;
mod recorder;
mod smuggling;
mod timeouts;

use std::time::Duration;

use super::{Class, Running, Said, Target, call};
use crate::raw::{Block, Frame, flag, grpc_request};
use judge::Expected;
pub use recorder::{Recorded, Recorder};

/// All classes of hostile requests.
pub fn all() -> Vec<Class> {
    vec![
        smuggling::CLASS,
        authorities::CLASS,
        paths::GRPC,
        paths::PLAIN,
        timeouts::CLASS,
    ]
}

/// One request, as the frames of stream 1.
#[derive(Clone, Copy)]
struct Form {
    name: &'static str,
    frames: fn(&str) -> Vec<Frame>,
    expected: Expected,
}

/// The names of a table, as [`Class::forms`] wants them.
const fn names<const COUNT: usize>(forms: &[Form; COUNT]) -> [&'static str; COUNT] {
    let mut names = [""; COUNT];
    let mut at = 0;
    while at < COUNT {
        names[at] = forms[at].name;
        at += 1;
    }
    names
}

fn run(target: Target, form: Form) -> Running {
    Box::pin(async move {
        let before = target.seen.attack_heads().await;
        let mut peer = target.greet(&[]).await?;
        let frames = (form.frames)(&target.authority);
        let octets: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
        peer.send_octets(&octets).await;
        let said = Said::until_over(&mut peer, STREAM, PATIENCE).await;
        form.expected.check(&said)?;
        // The way to the backend keeps the order: what went ahead has arrived when this is answered.
        let mut good = target.greet(&[]).await?;
        call(&mut good, 1, &target.authority, PATH, PATIENCE).await?;
        let forwarded = target.seen.attack_heads().await.saturating_sub(before + 1);
        match forwarded > form.expected.heads_max() {
            false => Ok(()),
            true => Err(format!("{forwarded} of it reached the backend")),
        }
    })
}

/// The stream of every form.
const STREAM: u32 = 1;
/// A method of the backend.
const PATH: &str = "/hostile.Attack/Echo";
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// A good head without its end.
fn good(authority: &str) -> Block {
    grpc_request(authority, PATH)
}

/// A request without a body.
fn only(block: &Block) -> Vec<Frame> {
    vec![Frame::headers(STREAM, flag::END_STREAM, block.octets())]
}

/// A request with a body of five octets.
fn with_body(block: &Block) -> Vec<Frame> {
    vec![
        Frame::headers(STREAM, 0, block.octets()),
        Frame::data(STREAM, flag::END_STREAM, &[0; 5]),
    ]
}
