//! Figures of a whole mesh: real processes of the release build, a control plane among them.
//!
//! `cargo build --release -p outrider-cli && cargo run --release -p outrider-bench --bin mesh`
//! prints one line of JSON for each figure; see `bench/results/` for what they were.

pub mod balance;
mod balanced;
mod child;
pub mod figures;
mod load;
mod looks;
mod page;
mod services;
mod world;

pub use services::services;
