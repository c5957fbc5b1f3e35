//! A metric family that cannot grow without end: over its ceiling, new sets count as `other`.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prometheus_client::metrics::family::{Family, MetricConstructor};

use super::labels::Labels;

/// A family and its ceiling.
#[derive(Clone, Debug)]
pub struct BoundedFamily<L, M, C = fn() -> M> {
    family: Family<L, M, C>,
    sets: Arc<AtomicUsize>,
    sets_max: usize,
}

impl<L: Labels + Clone + Eq + Hash, M: Clone, C: MetricConstructor<M>> BoundedFamily<L, M, C> {
    /// At most `sets_max` label sets, and those that stand in for the rest.
    pub fn new(family: Family<L, M, C>, sets_max: usize) -> BoundedFamily<L, M, C> {
        BoundedFamily {
            family,
            sets: Arc::default(),
            sets_max,
        }
    }

    /// The metric of `labels`, or its stand-in when the family is full.
    pub fn of(&self, labels: &L) -> M {
        if let Some(metric) = self.family.get(labels) {
            return metric.clone();
        }
        // Relaxed: only one thread adds sets, and a set too many would do no harm.
        if self.sets.fetch_add(1, Ordering::Relaxed) < self.sets_max {
            self.family.get_or_create_owned(labels)
        } else {
            self.sets.fetch_sub(1, Ordering::Relaxed);
            self.family.get_or_create_owned(&labels.capped())
        }
    }

    /// Forgets all sets. For gauges that are set again each time.
    pub fn clear(&self) {
        self.family.clear();
        self.sets.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::labels::ServiceLabels;
    use super::*;
    use prometheus_client::metrics::counter::Counter;

    #[test]
    fn over_the_ceiling_new_sets_count_as_other() {
        let family: Family<ServiceLabels, Counter> = Family::default();
        let bounded = BoundedFamily::new(family.clone(), 2);
        let labels = |service: &str| ServiceLabels {
            side: "outbound",
            service: Arc::from(service),
        };
        for service in ["a", "b", "c", "d", "a"] {
            bounded.of(&labels(service)).inc();
        }
        let count = |service| family.get(&labels(service)).map(|counter| counter.get());
        assert_eq!(count("a"), Some(2), "known sets go on");
        assert_eq!(count("c"), None);
        assert_eq!(count("other"), Some(2));
    }
}
