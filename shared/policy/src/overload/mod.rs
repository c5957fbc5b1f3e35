//! What the process does when descriptors or memory run short.
//!
//! Decides what is accepted and what is refused; the caller measures what is in use.

mod descriptors;
mod memory;

pub use descriptors::{ConnectionSide, DescriptorRules, OpenConnections};
pub use memory::{LoadShedding, MemoryRules, Pressure};
