//! The whole data path under a seed: clients, two sidecars a call, servers, a bad network.
//!
//! A seed decides everything: how many clients and endpoints, which calls, how slow and how broken
//! the network is, what servers answer, when the operator changes the configuration. The sidecars
//! are the real engine with the real HTTP/2; only sockets and the clock are played, because the
//! engine has none of its own. So a run is a function of its seed, and a failure replays exactly:
//!
//! ```text
//! OUTRIDER_SEED=1234 cargo test -p outrider-tests --test simulation -- --nocapture replay
//! ```
//!
//! Apart from all that, each in some of the runs: peers that attack (`hostile.rs`), peers that press by
//! legal means (`strain.rs`), bugs of our own (`panics.rs`), and over TLS certificates that expire
//! (`certificates.rs`). What they do excuses no call that is not theirs.
//!
//! Beside the mesh runs a shadow of each call (`call.rs`): what its client and each server saw.
//! After every step, and at the end, `checks.rs` compares. Where to begin reading: `world.rs` for
//! what happens, `plan.rs` for what can happen, `checks.rs` for what must hold. The method is
//! FoundationDB's and TigerBeetle's; the shadow model is sozu's idea.

mod agenda;
mod answer;
mod call;
mod certificates;
mod checks;
mod client;
mod configuration;
mod discovery;
mod exchange;
mod faults;
mod fields;
mod hostile;
mod journal;
mod network;
mod oddity;
mod panics;
mod pattern;
mod plan;
pub(crate) mod random;
mod script;
mod server;
mod sidecar;
mod strain;
mod verdict;
mod waiting;
mod world;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use journal::Keep;
pub use world::Wire;

use world::World;

/// What a run that held all invariants was like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Events that happened.
    pub events: usize,
    /// Calls that clients began.
    pub calls: usize,
    /// Calls whose client got a whole answer from a server.
    pub answered: usize,
    /// Calls that a sidecar answered.
    pub refused: usize,
    /// Retries of all calls.
    pub retries: usize,
    /// Waits of calls, whatever for.
    pub waits: usize,
    /// Panics that were injected and struck.
    pub panics: usize,
    /// Clients that attacked.
    pub hostile: usize,
    /// The readable list of events; empty unless kept.
    pub journal: String,
}

/// A run in which something did not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// What did not hold.
    pub invariant: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { seed, invariant } = self;
        write!(
            f,
            "seed {seed} failed: {invariant}; replay: OUTRIDER_SEED={seed} cargo test -p outrider-tests --test simulation -- --nocapture replay"
        )
    }
}

/// Runs the world of `seed` to its end.
///
/// # Errors
/// [`Failure`]: an invariant did not hold, or something panicked.
pub fn run(seed: u64, wire: Wire, keep: Keep) -> Result<Run, Failure> {
    let world = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(seed, wire, keep);
        world.run();
        (world.violation.take(), summary(world))
    }));
    match world {
        Ok((None, run)) => Ok(run),
        Ok((Some(invariant), _)) => Err(Failure { seed, invariant }),
        Err(panic) => {
            let said = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("of an unknown kind");
            let invariant = format!("a panic: {said}");
            Err(Failure { seed, invariant })
        }
    }
}

fn summary(world: World) -> Run {
    let count =
        |test: &dyn Fn(&call::Call) -> bool| world.calls.iter().filter(|call| test(call)).count();
    Run {
        events: world.events,
        calls: count(&|call| call.begun.is_some()),
        answered: count(&|call| {
            call.end == Some(call::CallEnd::Answered) && call.answer.delivery.is_some()
        }),
        refused: count(&|call| call.answer.refusal.is_some()),
        retries: world
            .calls
            .iter()
            .flat_map(|call| &call.outbound)
            .map(|record| record.retries as usize)
            .sum(),
        waits: world.waits(),
        panics: world.panics.contained(),
        hostile: world.hostility.attackers(),
        journal: world.journal.lines,
    }
}
