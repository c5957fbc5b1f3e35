//! The steps of admission, a file for each. Their order is `outrider_policy::order`.
//!
//! A step sees the call and a narrow [`Context`], never the engine: it can touch no connection and no
//! other call.

pub(super) mod authorization;
pub(super) mod deadline;
pub(super) mod grammar;
pub(super) mod hold;
pub(super) mod limits;
pub(super) mod memory;
pub(super) mod rate_limit;
pub(super) mod route;
pub(super) mod sampling;

use outrider_policy::order::Step;
use outrider_policy::{Pressure, Tick};

use super::Call;
use super::wait::Missing;
use crate::configuration::Configuration;
use crate::random::Random;
use crate::refusal::Refusal;

/// What a step may read and use besides the call.
pub(super) struct Context<'e> {
    pub(super) now: Tick,
    pub(super) random: &'e mut Random,
    pub(super) configuration: &'e mut Configuration,
    pub(super) pressure: Pressure,
}

/// Why a call does not go on to its next step.
pub(super) enum Stop {
    /// It is refused.
    Refuse(Refusal),
    /// It waits, at most until its deadline. Once it is known whether there is a service, the call goes on at
    /// this step. Once a time is there, the call has passed this step: what the step took for it stays taken.
    Wait(Missing),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refuse(refusal)
    }
}

/// Runs one step.
pub(super) fn run(step: Step, context: &mut Context<'_>, call: &mut Call) -> Result<(), Stop> {
    match step {
        Step::Grammar => grammar::check(call)?,
        Step::Memory => memory::check(context, call)?,
        Step::Route => route::outbound(context, call)?,
        Step::OwnService => route::own_service(context, call)?,
        Step::Authorization => authorization::check(context, call)?,
        Step::Sampling => sampling::decide(context, call),
        Step::Deadline => deadline::set(context, call)?,
        Step::Hold => hold::check(context, call)?,
        Step::RateLimit => rate_limit::check(context, call)?,
        Step::Limits => limits::check(call)?,
    }
    Ok(())
}
