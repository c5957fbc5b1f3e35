//! Choosing among endpoints: what each costs, and which of two is cheaper.

mod ewma;
mod p2c;

pub use ewma::{EwmaRules, PeakEwma};
pub use p2c::pick_p2c;
