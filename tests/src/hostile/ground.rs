//! Where it happens: a good backend, a proxy process in front of it, and a well-behaved client that
//! is measured while others are hostile.

mod backend;
mod memory;
mod outside;
mod proxy;
mod trial;
mod victim;

pub use backend::Backend;
pub use memory::resident_bytes;
pub use outside::{Outside, PEAK_BYTES_MAX};
pub use proxy::{Proxy, SERVICE, outrider_arguments};
pub use trial::Trial;
pub use victim::{Felt, Victim, fresh_connection};
