//! What sidecars count when something that is made for attackers or for broken peers meets a load.
//!
//! The names are those of docs/METRICS.md. Knows nothing of loads.

use std::collections::BTreeMap;

use crate::hops::Way;

/// Families that stand still while ordinary use is carried.
const FAMILIES: [&str; 6] = [
    "outrider_http2_limits_total",
    "outrider_protocol_errors_total",
    "outrider_connections_ended_total",
    "outrider_refusals_total",
    "outrider_streams_stalled_total",
    "outrider_contained_panics_total",
];

/// Of these, series that say what peers do and not that anything was held against them.
const HARMLESS: [&str; 3] = [
    // Streams that a caller reset.
    "limit=\"resets_received\"",
    // Calls that waited until they were 10 ms old, because their caller cancels many; each is answered.
    "limit=\"held_for_resets\"",
    // A window stayed as it was because others have grown: it costs speed.
    "limit=\"windows_not_grown\"",
];

/// Series of both sidecars by name, and how often they counted.
pub(super) type Counts = BTreeMap<String, u64>;

/// What the sidecars of `way` have counted so far.
pub(super) async fn of(way: &Way) -> Counts {
    let mut counts = Counts::new();
    for sidecar in [Some(&way.frontend), way.callee()].into_iter().flatten() {
        let (_, page) = sidecar.admin().page("/metrics").await;
        add(&mut counts, &page);
    }
    counts
}

fn add(counts: &mut Counts, page: &str) {
    for line in page.lines() {
        let Some((series, value)) = line.rsplit_once(' ') else {
            continue;
        };
        let is_wanted = FAMILIES.iter().any(|family| series.starts_with(family))
            && !HARMLESS.iter().any(|label| series.contains(label));
        if is_wanted && let Ok(value) = value.parse::<u64>() {
            let name = series.trim_start_matches("outrider_").replace("_total", "");
            *counts.entry(name).or_default() += value;
        }
    }
}

/// What has counted since `before`, for people; empty if nothing has.
pub(super) fn told(before: &Counts, now: Counts) -> String {
    let since = since(before, now);
    let told = since
        .iter()
        .map(|(series, count)| format!("{count} x {series}"));
    told.collect::<Vec<_>>().join(", ")
}

fn since(before: &Counts, now: Counts) -> Counts {
    let more = |(series, count): (String, u64)| {
        let more = count - before.get(&series).copied().unwrap_or(0).min(count);
        (more > 0).then_some((series, more))
    };
    now.into_iter().filter_map(more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "outrider_http2_limits_total{end=\"upstream\",limit=\"flood_pings\"} 1\n\
                        outrider_http2_limits_total{end=\"upstream\",limit=\"resets_received\"} 9\n\
                        outrider_calls_total{side=\"outbound\"} 9\n\
                        outrider_protocol_errors_total 2\n";

    #[test]
    fn what_tripped_since_is_told_and_nothing_else() {
        let mut before = Counts::new();
        add(&mut before, PAGE);
        assert_eq!(before.len(), 2);
        let mut now = Counts::new();
        add(&mut now, &PAGE.replace("_total 2", "_total 5"));
        let since = since(&before, now);
        assert_eq!(since, BTreeMap::from([("protocol_errors".to_owned(), 3)]));
    }
}
