//! ADS under a seed: the server's state machine and the client's, and everything that can go
//! wrong between them.
//!
//! A seed makes what exists change (bad resources, moved gRPC services, withdrawn sight), calls
//! name services and forget them, streams break and wait for the next, servers restart with or
//! without delta and under other nonces, clients restart with what they stored, old requests
//! come again, kinds overtake each other, time passes. [`truth`] says what exists, [`wire`]
//! carries, [`play`] plays and says what must hold. Knows nothing of what messages say.

mod play;
mod show;
mod truth;
mod wire;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use play::Play;

/// A seed that broke an invariant.
#[derive(Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What did not hold.
    pub problem: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { seed, problem } = self;
        writeln!(f, "seed {seed}: {problem}")?;
        write!(
            f,
            "  replay: OUTRIDER_ADS_SEED={seed} cargo test -p outrider-tests --test ads replay -- \
             --nocapture"
        )
    }
}

/// What a seed did, so that a test can tell that it did something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Played {
    /// Responses that reached the client.
    pub responses: u64,
    /// Of these, refused ones.
    pub refused: u64,
    /// Streams that broke.
    pub breaks: u64,
    /// Clients that began again with what was stored.
    pub restarts: u64,
    /// Old requests that came again.
    pub stale: u64,
    /// Resources in force in the end.
    pub in_force: u64,
}

/// Plays a seed; `print` shows every event.
///
/// # Errors
/// The invariant that did not hold.
pub fn run(seed: u64, print: bool) -> Result<Played, Failure> {
    let played = catch_unwind(AssertUnwindSafe(|| Play::new(seed, print).run()));
    let outcome = played.unwrap_or_else(|_| Err("it panicked".to_owned()));
    outcome.map_err(|problem| Failure { seed, problem })
}
