//! What the process does when the machine gives no more: descriptors and memory.
//!
//! Decides who is let in and who is turned away; what there is, is measured by the caller.

mod descriptors;
mod memory;

pub use descriptors::{ConnectionSide, DescriptorRules, OpenConnections};
pub use memory::{LoadShedding, MemoryRules, Pressure};
