//! A request that is no HTTP (RFC 9113 8.1.1): nothing of it goes anywhere, and its caller learns why.
//!
//! Which rule it breaks is HTTP/2's; here it is said on the stream, which is then reset. Of a request that
//! goes on the reset is NO_ERROR: with any other code some clients would lose the answer before it.

use outrider_http2::{ErrorCode, Fields, Malformed, StreamId};

use outrider_policy::Reason;

use crate::engine::Engine;
use crate::ids::{CallId, ConnectionId, Side};
use crate::refusal::Refusal;

impl Engine {
    /// A head that is malformed: there is no call, but an answer and a record.
    pub(crate) fn arrived_malformed(
        &mut self,
        id: ConnectionId,
        side: Side,
        stream: StreamId,
        (fields, end): (Fields, bool),
        why: &Malformed,
    ) {
        if end || why.is_self_dependency() {
            self.reset_behind_answer(id, stream, ErrorCode::ProtocolError);
        }
        let call = self.new_call(id, side, stream, fields, end);
        self.refuse_arrival(call, Refusal::early(Reason::Malformed, sentence(why)));
    }

    /// What follows the head of a call is malformed: the call ends, here and upstream.
    pub(crate) fn request_malformed(&mut self, call: CallId, why: &Malformed) {
        let Some(found) = self.calls.at(call) else {
            return;
        };
        let (id, stream) = (found.downstream, found.stream);
        self.reset_behind_answer(id, stream, ErrorCode::ProtocolError);
        self.end_refused(call, Refusal::early(Reason::Malformed, sentence(why)));
    }
}

fn sentence(why: &Malformed) -> String {
    format!("the request is malformed: {why}")
}
