//! The ceiling on calls in flight to one cluster.

use outrider_policy::Reason;

use crate::call::Call;
use crate::refusal::Refusal;

pub(super) fn check(call: &Call) -> Result<(), Refusal> {
    let Some(cluster) = &call.cluster else {
        return Ok(());
    };
    let (in_flight, limit) = (cluster.load.calls.get(), cluster.config.policy.limits.calls);
    if in_flight < limit {
        return Ok(());
    }
    let sentence = format!(
        "{} has {in_flight} calls in flight, the limit is {limit}",
        cluster.name
    );
    Err(Refusal::early(Reason::CallsLimit, sentence))
}
