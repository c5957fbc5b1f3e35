//! One stream: its two directions, windows and what waits to be sent.

mod body_queue;
mod queue;
mod receive_window;
mod state;
mod table;

pub(crate) use body_queue::BodyQueue;
pub(crate) use queue::ByteQueue;
pub(crate) use receive_window::{Grown, Growth, ReceiveWindow, Update};
pub(crate) use state::{Receiving, Sending};
pub(crate) use table::Streams;

use std::time::Duration;

use crate::connection::ResetCharge;
use crate::{Fields, StreamId};

pub(crate) struct Stream {
    pub(crate) id: StreamId,
    pub(crate) receiving: Receiving,
    pub(crate) sending: Sending,
    pub(crate) receive_window: ReceiveWindow,
    /// What the peer lets us send. Negative after it lowered its initial window.
    pub(crate) send_window: i64,
    /// Body octets that are not framed yet.
    pub(crate) queue: BodyQueue,
    /// We are the client, and no octet of the body is in the output yet.
    pub(crate) awaits_body: bool,
    /// Since when `queue` has octets and none is sent; see `connection/progress.rs`.
    pub(crate) stuck_since: Option<Duration>,
    /// To be sent when `queue` is empty.
    pub(crate) trailers: Option<Box<Fields>>,
    /// It is in the connection's queue of streams that may send.
    pub(crate) is_scheduled: bool,
    /// Small frames sent since the peer last sent a frame; see `connection/coalesce.rs`.
    pub(crate) unanswered: u32,
    /// What is in `queue` waits for more.
    pub(crate) is_coalescing: bool,
    /// The request was HEAD: its answer's content-length promises no body.
    pub(crate) is_head_request: bool,
    /// What it costs the reset budget.
    pub(crate) reset_charge: ResetCharge,
}

impl Stream {
    /// Has something to send, and room for it in its own window.
    pub(crate) fn is_ready(&self) -> bool {
        !self.queue.is_empty() && self.send_window > 0
    }

    pub(crate) fn is_over(&self) -> bool {
        self.receiving == Receiving::Ended && self.sending == Sending::Ended
    }
}
