//! What each process of the mesh needs of its machine: flags, signals, the ready line, the panic hook,
//! private memory, watched folders, and the listener and formats of its admin pages.
//!
//! Knows nothing of what a process is for.

mod admin_host;
mod exposition;
mod flag;
pub mod folder;
mod listener;
mod memory;
mod panics;
mod ready;
mod signals;
mod stdout;

pub use admin_host::refuse_foreign;
pub use exposition::metrics_response;
pub use flag::Flag;
pub use listener::{ADMIN_CONNECTIONS_MAX, AdminListener};
pub use memory::keep_memory_private;
pub use panics::withhold_panics;
pub use ready::print_ready;
pub use signals::{Rereads, forward_signals};
pub use stdout::print;
