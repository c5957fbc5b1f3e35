//! A new call under memory pressure is refused before it costs more than its head.

use outrider_policy::{Pressure, Reason};

use super::Context;
use crate::call::Call;
use crate::refusal::Refusal;

/// The probe by which the mesh and its operators learn that we live (gRPC health checking).
const HEALTH: &[u8] = b"/grpc.health.v1.Health/Check";

pub(super) fn check(context: &Context<'_>, call: &Call) -> Result<(), Refusal> {
    let path = call.request.find(b":path").unwrap_or_default();
    match context.pressure {
        Pressure::Low => Ok(()),
        Pressure::High | Pressure::Critical if path == HEALTH => Ok(()),
        Pressure::High | Pressure::Critical => Err(Refusal::early(
            Reason::MemoryLimit,
            "this sidecar is near its memory limit and takes no new calls for now",
        )),
    }
}
