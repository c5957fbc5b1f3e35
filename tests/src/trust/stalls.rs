//! Stalled readers as a line of the report.

use std::time::Duration;

use super::conformance::Line;
use super::options::Options;
use crate::stalled::{Situation, measure};

/// What `--only` calls it.
pub const STALLED: &str = "stalled_readers";
/// Calls of each victim in each situation.
const CALLS: usize = 200;
/// Longest wait before a call counts as failed.
const PATIENCE: Duration = Duration::from_secs(2);
/// The promise.
const P99_MAX: Duration = Duration::from_millis(10);

/// One stalled reader never blocks another call: every situation, through our sidecars.
pub async fn run(options: &Options) -> Line {
    if !options.wants(STALLED) {
        return Line::left_out("stalled readers: not run");
    }
    let situations = Situation::all();
    let count = situations.len();
    let mut worst = Duration::ZERO;
    let mut broken = Vec::new();
    for situation in situations {
        match measure(situation, CALLS, PATIENCE).await {
            Ok(figures) => {
                worst = worst.max(figures.p99());
                if figures.p99() > P99_MAX {
                    broken.push(format!("{situation:?}: p99 {:?}", figures.p99()));
                }
            }
            Err(why) => broken.push(format!("{situation:?}: {why}")),
        }
    }
    for situation in &broken {
        eprintln!("broken: {situation}");
    }
    Line {
        line: format!(
            "stalled readers: in {} of {count} situations others' p99 is at most 10 ms; worst p99 \
             {:.1} ms",
            count - broken.len(),
            worst.as_secs_f64() * 1e3
        ),
        holds: broken.is_empty(),
    }
}
