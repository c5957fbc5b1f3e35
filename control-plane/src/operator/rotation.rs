//! The steps of a rollover of the root, and the reasons against the last one.
//!
//! When a root retires, the connections of members that depend on it alone end, and tokens that know only
//! this root become useless. So the step is refused in that case, unless it is forced.

use std::net::IpAddr;

use outrider_proto::v1;
use outrider_proto::v1::RotationStep;
use tonic::Status;

use crate::clock;
use crate::members::old_root::OldRootUsage;
use crate::serve::parts::Parts;
use crate::storage::journal::EventKind;

/// Takes a step; `from` is where it was asked for.
///
/// # Errors
/// FAILED_PRECONDITION: it is not the next one, or a member or a token depends on the old root alone.
pub async fn rotate(
    parts: &Parts,
    request: v1::RotateRootRequest,
    from: IpAddr,
) -> Result<v1::RotateRootResponse, Status> {
    let (step, now) = (request.step(), clock::unix_seconds());
    let warning = match step {
        RotationStep::Retire => OldRootUsage::count(parts, now)
            .await?
            .and_then(OldRootUsage::warning),
        RotationStep::Unspecified | RotationStep::Add | RotationStep::Promote => None,
    };
    if let Some(warning) = warning.as_ref().filter(|_| !request.force) {
        return Err(Status::failed_precondition(format!(
            "the old root is not retired: {warning}. `outrider status` counts them; with --force \
             it retires all the same, and they join again with new tokens"
        )));
    }
    let roots = parts.authority.rotate(step, now).await?;
    let warning = warning.unwrap_or_default();
    let gap = if warning.is_empty() { "" } else { ": " };
    let detail = format!("{}, from {from}{gap}{warning}.", step.as_str_name());
    parts.journal.record(EventKind::Rotated, "root", &detail);
    Ok(v1::RotateRootResponse { roots, warning })
}
