//! The metrics that move with every call, found once per set of labels.
//!
//! Finding a metric in its family costs a lock and a slow hash, six times a call; counting costs a
//! few nanoseconds. At tens of thousands of calls a second that is the control thread's whole work.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use rustc_hash::FxHashMap;

use super::labels::{CallLabels, MethodLabels, ServiceLabels};
use super::metrics::{CALL_SETS_MAX, Metrics};

/// The metrics of one set of labels.
#[derive(Clone, Debug)]
pub struct CallSeries {
    pub calls: Counter,
    pub durations: Histogram,
    pub attempts: Counter,
    pub retries: Counter,
    pub request_bytes: Counter,
    pub response_bytes: Counter,
}

/// What was found so far.
#[derive(Debug)]
pub struct SeriesCache {
    metrics: Arc<Metrics>,
    found: FxHashMap<CallLabels, CallSeries>,
}

impl SeriesCache {
    pub fn new(metrics: Arc<Metrics>) -> SeriesCache {
        SeriesCache {
            metrics,
            found: FxHashMap::default(),
        }
    }

    /// The metrics that count a call with `labels`.
    pub fn of(&mut self, labels: CallLabels) -> &CallSeries {
        // Sets that their families counted under `other` are remembered too, so this is bounded on
        // its own: forgetting all is simple and rare.
        if self.found.len() >= CALL_SETS_MAX && !self.found.contains_key(&labels) {
            self.found.clear();
        }
        let metrics = &self.metrics;
        match self.found.entry(labels) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let series = CallSeries::find(metrics, new.key());
                new.insert(series)
            }
        }
    }
}

impl CallSeries {
    fn find(metrics: &Metrics, labels: &CallLabels) -> CallSeries {
        let side = labels.side;
        let service = ServiceLabels {
            side,
            service: Arc::clone(&labels.service),
        };
        let method = MethodLabels {
            side,
            service: Arc::clone(&labels.service),
            method: Arc::clone(&labels.method),
        };
        CallSeries {
            calls: metrics.calls.of(labels),
            durations: metrics.durations.of(&method),
            attempts: metrics.attempts.of(&service),
            retries: metrics.retries.of(&service),
            request_bytes: metrics.request_bytes.of(&service),
            response_bytes: metrics.response_bytes.of(&service),
        }
    }
}
