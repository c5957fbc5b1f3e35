//! Choosing among endpoints: whose turn it is, and what speaks against taking it.

mod baseline;
mod estimate;
mod log2_ratio;
mod pick;
mod priorities;
mod weights;

#[cfg(test)]
mod simulation;

pub use baseline::LatencyBaseline;
pub use estimate::{Estimate, Trial};
pub use log2_ratio::Log2Ratio;
pub use pick::{Candidate, EndpointStatus, Rank, Turn};
pub use priorities::Priorities;
pub use weights::{Share, Weights};
