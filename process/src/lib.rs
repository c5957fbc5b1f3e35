//! What every process of the mesh does alike: the table of its flags, the signals it obeys, its
//! ready line, what is said of a panic, who reads its memory, who may ask its admin pages, by what name,
//! and in which format it shows its metrics.
//!
//! Knows nothing of what a process is for.

mod exposition;
mod flag;
mod host;
mod listener;
mod memory;
mod panics;
mod ready;
mod signals;

pub use exposition::metrics_response;
pub use flag::Flag;
pub use host::refuse_foreign;
pub use listener::{ADMIN_CONNECTIONS_MAX, AdminListener};
pub use memory::keep_memory_private;
pub use panics::withhold_panics;
pub use ready::print_ready;
pub use signals::{Rereads, forward_signals};
