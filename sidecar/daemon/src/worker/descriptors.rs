//! The file descriptors of the traffic, one account for all workers of the process.
//!
//! Decides nothing: the rules are `policy`'s. What the account knows nothing of, the control thread's
//! own sockets and files, is what the rules keep a reserve for.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::resource::{Resource, getrlimit};
use outrider_policy::{ConnectionSide, DescriptorRules, OpenConnections};

/// Descriptors assumed to be in use where the system does not show them.
const IN_USE_ASSUMED: u64 = 32;

/// What the traffic may open. Copies are the same account.
#[derive(Clone, Debug)]
pub struct Descriptors {
    rules: DescriptorRules,
    open: Arc<AtomicU64>,
    pauses: Arc<AtomicU64>,
}

/// One descriptor's place in the account; it comes back when this is dropped.
#[derive(Debug)]
pub struct Permit {
    open: Arc<AtomicU64>,
    end: ConnectionSide,
}

impl Descriptors {
    /// The account of a process that has opened everything but its traffic, and `soon` more.
    pub fn measured(soon: usize) -> Descriptors {
        let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
        let open = fs::read_dir("/proc/self/fd").map_or(IN_USE_ASSUMED, |all| all.count() as u64);
        let in_use = open.saturating_add(soon as u64);
        let rules = DescriptorRules::divide(limit, in_use);
        tracing::info!(
            limit,
            in_use,
            connections_max = rules.connections_max(),
            from_callers_max = rules.downstream_max(),
            "file descriptors"
        );
        Descriptors::new(rules)
    }

    /// An empty account.
    pub fn new(rules: DescriptorRules) -> Descriptors {
        let open = Arc::new(AtomicU64::new(OpenConnections::default().to_bits()));
        Descriptors {
            rules,
            open,
            pauses: Arc::default(),
        }
    }

    /// Most connections that the traffic may have open.
    pub fn connections_max(&self) -> u32 {
        self.rules.connections_max()
    }

    /// A listener stopped accepting for want of something.
    pub fn note_pause(&self) {
        self.pauses.fetch_add(1, Ordering::Relaxed);
    }

    /// How often listeners stopped accepting since the start.
    pub fn pauses(&self) -> u64 {
        self.pauses.load(Ordering::Relaxed)
    }

    /// The right to open one more; `None` when there is no descriptor for it.
    pub fn permit(&self, end: ConnectionSide) -> Option<Permit> {
        let open = |bits| {
            let open = OpenConnections::from_bits(bits).open(&self.rules, end)?;
            Some(open.to_bits())
        };
        // Relaxed is enough: the word is the whole state, nothing else is published through it.
        let opened = (self.open).fetch_update(Ordering::Relaxed, Ordering::Relaxed, open);
        opened.ok().map(|_| Permit {
            open: Arc::clone(&self.open),
            end,
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let close = |bits| {
            let open = OpenConnections::from_bits(bits);
            Some(open.close(self.end).to_bits())
        };
        // Never fails: `close` always answers.
        let _ = (self.open).fetch_update(Ordering::Relaxed, Ordering::Relaxed, close);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_that_is_dropped_can_be_had_again() {
        let descriptors = Descriptors::new(DescriptorRules::divide(0, 0));
        let same = descriptors.clone();
        let permit = descriptors.permit(ConnectionSide::Downstream);
        assert!(permit.is_some() && same.permit(ConnectionSide::Downstream).is_none());
        assert!(
            same.permit(ConnectionSide::Upstream).is_some(),
            "that one has its own"
        );
        drop(permit);
        assert!(same.permit(ConnectionSide::Downstream).is_some());
    }

    #[test]
    fn the_system_says_what_there_is() {
        let descriptors = Descriptors::measured(0);
        assert!(descriptors.rules.connections_max() >= 2);
        assert!(descriptors.permit(ConnectionSide::Upstream).is_some());
    }
}
