//! What a request brings of its trace, and what is made of it (W3C Trace Context, Recommendation 2021).

use outrider_http2::{Field, Fields};
use outrider_policy::{TraceContext, request_id, tracestate};

use super::Call;
use crate::engine::Engine;

const TRACESTATE: &[u8] = b"tracestate";

impl Engine {
    /// Where a call stands in its trace, and its name for people.
    pub(super) fn describe(&mut self, call: &mut Call) {
        let brought = CallerContext::of(&call.request);
        let received = brought.parent.and_then(TraceContext::parse);
        let (has_state, has_request_id) = (brought.has_state, brought.has_request_id);
        if has_state {
            call.request = with_one_state(&call.request, received.is_some());
        }
        call.parent_span = received.map(|parent| parent.span_id());
        call.trace = match received {
            Some(parent) => parent.child(self.random.next_u64()),
            // Sampled or not is decided with the route.
            None => TraceContext::root(self.random.next_u128(), self.random.next_u64(), false),
        };
        if !has_request_id {
            call.made_request_id = Some(request_id(self.random.next_u128()));
        }
    }
}

/// The fields of a request that say where it stands, found in one pass.
#[derive(Default)]
struct CallerContext<'a> {
    /// The one `traceparent`; of two none counts, because two readers could take another one each.
    parent: Option<&'a [u8]>,
    has_state: bool,
    has_request_id: bool,
}

impl CallerContext<'_> {
    fn of(request: &Fields) -> CallerContext<'_> {
        let mut brought = CallerContext::default();
        let mut parents = 0;
        for field in request {
            match field.name {
                b"traceparent" => {
                    parents += 1;
                    brought.parent = Some(field.value).filter(|_| parents == 1);
                }
                TRACESTATE => brought.has_state = true,
                b"x-request-id" => brought.has_request_id = true,
                _ => {}
            }
        }
        brought
    }
}

/// The request with its `tracestate` in one field, or without one: it means nothing without the
/// `traceparent` that it came with (4.2), and a list that cannot be read is dropped (4.3).
fn with_one_state(request: &Fields, has_parent: bool) -> Fields {
    let state = has_parent
        .then(|| tracestate::join(request.find_all(TRACESTATE)))
        .flatten();
    let state = state.as_deref().map(|list| Field::new(TRACESTATE, list));
    let others = request.iter().filter(|field| field.name != TRACESTATE);
    others.chain(state).collect()
}
