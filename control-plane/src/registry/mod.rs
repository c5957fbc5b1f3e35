//! The registry: which services exist and which instances they have, as the instances announce it.
//!
//! Reading order: `change` (what an event changes), `lease` and `lease_state` (the life of a lease),
//! `budget` (how often a member may change), `listing` (what is published and shown), `sweep` (leases
//! that run out) and `unready` (instances that take no calls), all pure; `tables` (what the store
//! keeps); `registrar` (the one task that owns the leases) and `writer` (which writes changes down);
//! `announcement`, `address_check` (is a member at its address) and `service` (gRPC). Knows neither
//! policies nor the readers of what it publishes.
//! Reference: `docs/ARCHITECTURE.md`, Leases.

mod change;

mod budget;
mod lease;
mod lease_state;
mod listing;
mod sweep;
mod unready;

mod registrar;
mod tables;
mod writer;

mod address_check;
mod announcement;
mod service;

#[cfg(test)]
mod rules;

pub use address_check::{AddressChecks, Verification};
pub use change::{Announced, LeaveReason, Registration, ServiceName};
pub use lease::{LEASE, LeaseRefusal};
pub use lease_state::LeaseState;
pub use listing::{LeaseCounts, ListedLease};
pub use registrar::{
    LeaseEvent, LeaseOutcome, Publication, Registrar, Registry, RegistryReport, RegistryStopped,
};
pub use service::Announcements;
pub use tables::count as stored_count;
pub use unready::Unready;
