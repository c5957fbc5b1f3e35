//! The deadline of a call: the nearer of `grpc-timeout` and the route's timeout.

use std::time::Duration;

use outrider_policy::{Reason, deadline, timeout};

use super::Context;
use crate::call::Call;
use crate::call::grammar::shown;
use crate::refusal::Refusal;

/// It counts from the first HEADERS, whatever was waited for since.
pub(in crate::call) fn set(context: &Context<'_>, call: &mut Call) -> Result<(), Refusal> {
    let asked = asked_timeout(call)?;
    let route = call.route.as_ref();
    let policy = route.and_then(|route| route.route.policy.timeout);
    // A route that became known late cannot have wanted the call over before that.
    let policy = policy.map(|timeout| timeout.max(context.now.since(call.started)));
    call.deadline = deadline::earliest(call.started, asked, policy);
    Ok(())
}

/// `grpc-timeout`. Two of them are none: which one counts is not said anywhere.
fn asked_timeout(call: &Call) -> Result<Option<Duration>, Refusal> {
    let mut values = call.request.find_all(b"grpc-timeout");
    let Some(value) = values.next().filter(|_| call.is_grpc) else {
        return Ok(None);
    };
    if values.next().is_some() {
        let sentence = "the request has more than one grpc-timeout";
        return Err(Refusal::early(Reason::BadTimeout, sentence));
    }
    let parsed = timeout::parse(value).map_err(|_| {
        let sentence = format!(
            "grpc-timeout {} is not 1 to 8 digits and a unit of HMSmun",
            shown(value)
        );
        Refusal::early(Reason::BadTimeout, sentence)
    })?;
    Ok(Some(parsed))
}
