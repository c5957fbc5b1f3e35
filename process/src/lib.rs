//! What every process of the mesh does alike: the table of its flags, the signals it obeys, its
//! ready line, which hosts its admin pages are asked for, and in which format it shows its metrics.
//!
//! Knows nothing of what a process is for.

mod exposition;
mod flag;
mod host;
mod ready;
mod signals;

pub use exposition::metrics_response;
pub use flag::Flag;
pub use host::refuse_foreign;
pub use ready::print_ready;
pub use signals::{Rereads, forward_signals};
