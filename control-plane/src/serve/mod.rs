//! The process: its options, the parts it opens, its services and tasks, its end.

pub mod descriptors;
pub mod error;
pub mod options;
pub mod parts;
pub mod process;
pub mod running;
