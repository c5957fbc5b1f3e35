//! The shadow of one call: what its client and its servers have seen of it so far.

use outrider_engine::CallRecord;
use outrider_http2::{ErrorCode, StreamId};
use outrider_policy::{Code, Tick};

use super::plan::CallPlan;

/// Everything known about one call from outside the sidecars.
pub(super) struct Call {
    pub(super) plan: CallPlan,
    /// When its head was given to the client's connection, and where it went.
    pub(super) begun: Option<Tick>,
    pub(super) place: Option<(usize, StreamId)>,
    /// Pieces of the request given to the connection, and their octets.
    pub(super) pieces_fed: usize,
    pub(super) fed: usize,
    pub(super) request_ended: bool,
    /// Request octets the client's connection has framed.
    pub(super) framed: usize,
    pub(super) answer: Answer,
    pub(super) end: Option<CallEnd>,
    /// Each time a server saw its head, in the order of time.
    pub(super) deliveries: Vec<Delivery>,
    /// Its records: of the caller's sidecar, and of the servers' sidecars.
    pub(super) outbound: Vec<CallRecord>,
    pub(super) inbound: Vec<CallRecord>,
}

/// What the client has of the answer.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) has_head: bool,
    /// 1xx heads.
    pub(super) interims: usize,
    pub(super) status: u16,
    /// Which delivery answers; `None`: a sidecar.
    pub(super) delivery: Option<usize>,
    pub(super) code: Option<Code>,
    pub(super) octets: usize,
    /// The name of a sidecar's reason, where it said one.
    pub(super) refusal: Option<String>,
    /// Octets of a sidecar's own JSON body.
    pub(super) json: Vec<u8>,
    pub(super) has_trailers: bool,
}

/// How a call ended for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallEnd {
    /// The answer is complete.
    Answered,
    /// The stream was reset by the sidecar.
    Reset(ErrorCode),
    /// The connection is gone.
    Lost,
    /// The client reset it.
    Cancelled,
}

/// One time a server saw the head of a call.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) at: Tick,
    /// Request octets received.
    pub(super) received: usize,
    /// Answer octets given to the server's connection, and those it has framed.
    pub(super) given: usize,
    pub(super) framed: usize,
    pub(super) status: Option<u16>,
    pub(super) code: Option<Code>,
    /// It asked for no retry.
    pub(super) says_stop: bool,
    /// 1xx heads.
    pub(super) interims: usize,
    pub(super) end: Option<DeliveryEnd>,
}

/// How a delivery ended for its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeliveryEnd {
    /// It gave its whole answer.
    Answered,
    /// It gave an answer that breaks gRPC: no trailers.
    Broken,
    /// It reset the stream; with `RefusedStream` it did nothing.
    Reset(ErrorCode),
    /// The sidecar reset the stream.
    Cancelled,
    /// The connection is gone.
    Lost,
}

impl Call {
    pub(super) fn new(plan: CallPlan) -> Call {
        Call {
            plan,
            begun: None,
            place: None,
            pieces_fed: 0,
            fed: 0,
            request_ended: false,
            framed: 0,
            answer: Answer::default(),
            end: None,
            deliveries: Vec::new(),
            outbound: Vec::new(),
            inbound: Vec::new(),
        }
    }

    /// Most octets that any server has of the request.
    pub(super) fn received_max(&self) -> usize {
        self.deliveries
            .iter()
            .map(|delivery| delivery.received)
            .max()
            .unwrap_or(0)
    }
}

impl Delivery {
    /// The server says itself that it did nothing.
    pub(super) fn is_refused(&self) -> bool {
        self.end == Some(DeliveryEnd::Reset(ErrorCode::RefusedStream))
    }
}
