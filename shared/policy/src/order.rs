//! The order of the steps that a call passes before its first attempt: one list for each direction.
//!
//! The order is a security property: nothing is routed before its grammar is checked. A step lets the
//! call go on, refuses it, or makes it wait. A call that waited for a service goes on at the step where it
//! stopped, one that waited for a time behind it. What each step does is in
//! `sidecar/engine/src/call/steps/`, a file for each.

/// A step of admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Refuses what is outside the grammar of gRPC and HTTP, before anything reads it twice.
    Grammar,
    /// Refuses new calls while the process is near its memory limit.
    Memory,
    /// Finds the route and draws the cluster; waits for a service that is not known yet.
    Route,
    /// The route to the local application, the only one of the inbound listener.
    OwnService,
    /// Refuses what the policies of the local service do not allow.
    Authorization,
    /// Decides whether a trace that begins here is recorded.
    Sampling,
    /// Sets the deadline: the nearer of `grpc-timeout` and the route's timeout.
    Deadline,
    /// Lets the calls of a caller that takes back what it opens wait for a moment.
    Hold,
    /// Takes a permit of each of the cluster's rate limits; refuses the call, or lets it wait for one.
    RateLimit,
    /// Refuses more calls in flight than the cluster's `limits.calls`. The last one: from here on the call
    /// counts as in flight.
    Limits,
}

impl Step {
    /// The word used in metrics, spans and logs.
    pub fn name(self) -> &'static str {
        match self {
            Step::Grammar => "grammar",
            Step::Memory => "memory",
            Step::Route => "route",
            Step::OwnService => "own_service",
            Step::Authorization => "authorization",
            Step::Sampling => "sampling",
            Step::Deadline => "deadline",
            Step::Hold => "hold",
            Step::RateLimit => "rate_limit",
            Step::Limits => "limits",
        }
    }
}

/// From the local application towards the mesh.
pub const OUTBOUND: [Step; 8] = [
    Step::Grammar,
    Step::Memory,
    Step::Route,
    Step::Sampling,
    Step::Deadline,
    Step::Hold,
    Step::RateLimit,
    Step::Limits,
];

/// From another sidecar towards the local application. The caller's sidecar limits the calls in flight.
pub const INBOUND: [Step; 7] = [
    Step::Grammar,
    Step::Memory,
    Step::OwnService,
    Step::Authorization,
    Step::Sampling,
    Step::Deadline,
    Step::Hold,
];

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENTED: &str = include_str!("../../../docs/LIFE_OF_A_CALL.md");

    /// The first words of the numbered list behind this line.
    fn documented(heading: &str) -> Vec<&'static str> {
        let (_, behind) = DOCUMENTED.split_once(heading).expect("the heading");
        let lines = behind.lines().skip_while(|line| !line.starts_with("1. "));
        let items = lines.take_while(|line| !line.is_empty());
        let names = items.filter_map(|line| line.split_once(". `")?.1.split('`').next());
        names.collect()
    }

    #[test]
    fn the_order_is_the_documented_one() {
        for (heading, order) in [
            ("The steps of an outbound call", &OUTBOUND[..]),
            ("The steps of an inbound call", &INBOUND[..]),
        ] {
            let names: Vec<String> = order.iter().map(|step| format!("{step:?}")).collect();
            assert_eq!(documented(heading), names, "{heading}");
        }
    }
}
