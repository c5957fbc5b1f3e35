//! What every process of the mesh does alike: the table of its flags, its stops, its ready line,
//! and which hosts its admin pages are asked for.
//!
//! Knows nothing of what a process is for.

mod flag;
mod host;
mod ready;
mod stop;

pub use flag::Flag;
pub use host::refuse_foreign;
pub use ready::print_ready;
pub use stop::forward_signals;
