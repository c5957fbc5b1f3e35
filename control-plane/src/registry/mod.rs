//! The registry: which services exist and where their instances are, by their own word.
//!
//! Reading order: `change` (its words), `lease` (a lease's life), `standing` (where it is in it), `budget` (how often it may change),
//! `shown` (what others are told), `sweep` (its end by silence) and `unready` (who takes no calls, and
//! why), all pure; `kept` (what a restart finds); `registrar` (the one task that owns it all) and `writer`
//! (beside it); `announcement`, `address_check` (is a member where it says) and
//! `service` (how it is spoken to over gRPC). Knows neither policies nor
//! the readers of what it publishes.
//! Reference: `docs/ARCHITECTURE.md`, Leases.

mod change;

mod budget;
mod lease;
mod shown;
mod standing;
mod sweep;
mod unready;

mod kept;
mod registrar;
mod writer;

mod address_check;
mod announcement;
mod service;

#[cfg(test)]
mod rules;

pub use address_check::{Proof, Proofs};
pub use change::{Announced, Cause, Registration, ServiceName};
pub use kept::count as kept_count;
pub use lease::{LEASE, Refused};
pub use registrar::{Publication, Registrar, Registry, Report, Said, Stopped, Taken};
pub use service::Announcements;
pub use shown::{Counts, Listed};
pub use standing::Standing;
pub use unready::Unready;
