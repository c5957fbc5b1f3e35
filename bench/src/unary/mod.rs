//! The speed line: unary calls through one outbound engine in memory, all policies on.
//!
//! Ten downstream connections keep ten calls each in flight; three endpoints answer. Headers
//! differ in every call, as in life. No socket, no clock, no randomness but a fixed seed: the same
//! calls cost the same instructions. What is counted is inside `Measured`; the ends are not.

mod client;
mod headers;
mod measured;
mod policies;
mod server;
mod world;

pub use world::{Totals, World};
