//! Choosing among endpoints: whose turn it is, and what speaks against taking it.

mod estimate;
mod octaves;
mod pick;
mod usual;

#[cfg(test)]
mod simulation;

pub use estimate::{Estimate, Trial};
pub use octaves::Octaves;
pub use pick::{Candidate, Rank, Seen, Turn};
pub use usual::Usual;
