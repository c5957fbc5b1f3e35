//! What the process does when the machine gives no more.
//!
//! Decides who is let in and who is turned away; what there is, is measured by the caller.

mod descriptors;

pub use descriptors::{DescriptorRules, End, OpenConnections};
