//! What an access log says of calls to several backends: shares and latencies.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::balance::rounded;
use super::balanced::Once;

/// How long shares are looked at. Seconds.
const WINDOW: f64 = 5.0;

/// What is read of a line of the access log.
#[derive(Deserialize)]
struct Line {
    time: f64,
    duration_ms: f64,
    endpoint: Option<SocketAddr>,
    code: String,
}

/// The calls of one look.
pub(super) struct Looks {
    backends: Vec<SocketAddr>,
    lines: Vec<Line>,
    /// Since 1970, in seconds.
    began: f64,
    ended: f64,
}

impl Looks {
    /// # Errors
    /// A line is none of an access log.
    pub(super) fn of(
        text: &str,
        backends: &[SocketAddr],
        began: f64,
        length: Duration,
    ) -> io::Result<Looks> {
        let lines: Result<_, _> = text.lines().map(serde_json::from_str).collect();
        Ok(Looks {
            backends: backends.to_vec(),
            lines: lines?,
            began,
            ended: began + length.as_secs_f64(),
        })
    }

    /// Calls to each backend that began within `WINDOW` after `from`.
    fn counts(&self, from: f64) -> Vec<f64> {
        self.counts_within(from, from + WINDOW)
    }

    fn counts_within(&self, from: f64, to: f64) -> Vec<f64> {
        let within = |line: &&Line| line.time >= from && line.time < to;
        let to = |backend: &SocketAddr| {
            let lines = self.lines.iter().filter(within);
            lines.filter(|line| line.endpoint == Some(*backend)).count() as f64
        };
        self.backends.iter().map(to).collect()
    }

    /// Of the windows that begin every half a second: in how many every backend was within 20 % of its
    /// fair share, or within one call where that is more; and what differed most.
    pub(super) fn windows(&self) -> Value {
        let starts = (0u32..).map(|step| self.began + 0.5 * f64::from(step));
        let starts = starts.take_while(|start| start + WINDOW <= self.ended);
        let (mut all, mut fair, mut largest) = (0, 0, 0.0f64);
        for start in starts {
            let counts = self.counts(start);
            let mean = mean(&counts);
            let differs = counts.iter().map(|count| (count - mean).abs());
            let differs = differs.fold(0.0, f64::max);
            all += 1;
            fair += u32::from(differs <= (0.2 * mean).max(1.0));
            largest = largest.max(differs);
        }
        json!({
            "windows": all, "fair": fair, "largest_difference_calls": rounded(largest),
            "fair_share_calls": rounded(f64::from(self.calls()) / (self.ended - self.began) * WINDOW
                / self.backends.len() as f64),
        })
    }

    fn calls(&self) -> u32 {
        u32::try_from(self.lines.len()).unwrap_or(u32::MAX)
    }

    /// What a backend got in all; 1 is fair.
    pub(super) fn share(&self, backend: usize) -> f64 {
        let counts = self.counts_within(self.began, self.ended);
        counts[backend] / mean(&counts)
    }

    /// What a backend got in the window that begins 3 s after it was slow or failed.
    ///
    /// # Errors
    /// It did neither.
    pub(super) fn share_after(&self, backend: usize, once: Once) -> io::Result<f64> {
        let is_it = |line: &&Line| {
            let is_seen = match once {
                Once::Slow => line.duration_ms >= Once::SLOW_MS,
                Once::Fail => line.code != "OK",
            };
            line.endpoint == Some(self.backends[backend]) && is_seen
        };
        let found = self.lines.iter().find(is_it);
        let found = found.ok_or_else(|| io::Error::other("it was not called in time"))?;
        let counts = self.counts(found.time + found.duration_ms / 1e3 + 3.0);
        Ok(counts[backend] / mean(&counts))
    }

    pub(super) fn p99_ms(&self) -> f64 {
        let mut spans: Vec<f64> = self.lines.iter().map(|line| line.duration_ms).collect();
        spans.sort_by(f64::total_cmp);
        rounded(spans[spans.len() * 99 / 100])
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
