//! The demo as text: the live table, the lines where there is no terminal, the summary.

use std::io::{self, IsTerminal};

use comfy_table::{Table, presets};
use outrider_host::print;

use crate::Format;
use crate::endpoints::Endpoint;
use crate::observe::MeshCounts;
use crate::report::Report;
use crate::scenes::Scene;
use crate::statistics::{StatisticsByScene, StatusCount};

/// Where the progress of the demo goes.
pub enum Progress {
    /// A table on the terminal, drawn again and again over itself.
    Live {
        /// Lines of the table as it was last drawn.
        lines: usize,
    },
    /// One line on standard error for each scene that is over.
    Plain,
}

/// A scene with what the mesh did in it.
#[derive(Clone, Copy)]
pub struct SceneCounts {
    /// The scene.
    pub scene: Scene,
    /// Retries in this scene.
    pub retries: u64,
    /// Ejections in this scene.
    pub ejections: u64,
}

impl SceneCounts {
    /// `before` and `now` are the counts at the scene's start and its end, or by now.
    pub fn new(scene: Scene, before: &MeshCounts, now: &MeshCounts) -> SceneCounts {
        let retries = now.retries.saturating_sub(before.retries);
        let ejections = now.ejections.saturating_sub(before.ejections);
        SceneCounts {
            scene,
            retries,
            ejections,
        }
    }
}

impl Progress {
    /// Live if standard output is a terminal and is not needed for a report.
    pub fn new(format: Format) -> Progress {
        match format {
            Format::Text if io::stdout().is_terminal() => Progress::Live { lines: 0 },
            Format::Text | Format::Json => Progress::Plain,
        }
    }

    /// Shows the scenes so far; the last of `all_counts` is still being played.
    pub fn draw(&mut self, all_counts: &[SceneCounts], statistics: &StatisticsByScene) {
        match self {
            Progress::Live { lines } => {
                let table = table(all_counts, statistics);
                // Up to where the last one began, and clear from there (ECMA-48: CUU, ED).
                let up = if *lines == 0 {
                    String::new()
                } else {
                    format!("\x1b[{lines}A\x1b[J")
                };
                // The reader may be gone; the verdict does not depend on it.
                let _ = print(&format!("{up}{table}\n"));
                *lines = table.lines().count();
            }
            Progress::Plain => {}
        }
    }

    /// Shows the result of a scene that is over.
    pub fn close(&mut self, scene_counts: &SceneCounts, statistics: &StatisticsByScene) {
        match self {
            Progress::Live { .. } => {}
            Progress::Plain => eprintln!("{}", line(scene_counts, statistics)),
        }
    }
}

fn line(scene_counts: &SceneCounts, statistics: &StatisticsByScene) -> String {
    let call_statistics = statistics.of(scene_counts.scene);
    format!(
        "{}: {} calls, {} ok, {} lost, p50 {} ms, p99 {} ms, {} retries, {} ejections",
        scene_counts.scene.title(),
        call_statistics.calls,
        call_statistics.ok,
        call_statistics.failed_idempotent,
        call_statistics.latency_ms(50),
        call_statistics.latency_ms(99),
        scene_counts.retries,
        scene_counts.ejections,
    )
}

/// Fits 80 columns: a line that the terminal breaks would be drawn over in the wrong place.
fn table(all_counts: &[SceneCounts], statistics: &StatisticsByScene) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "scene", "calls", "ok", "lost", "p50 ms", "p99 ms", "retries", "ejected",
    ]);
    for scene_counts in all_counts {
        let call_statistics = statistics.of(scene_counts.scene);
        table.add_row([
            // As wide as the longest title, so that the columns do not move from scene to scene.
            format!("{:<25}", scene_counts.scene.title()),
            call_statistics.calls.to_string(),
            call_statistics.ok.to_string(),
            call_statistics.failed_idempotent.to_string(),
            call_statistics.latency_ms(50).to_string(),
            call_statistics.latency_ms(99).to_string(),
            scene_counts.retries.to_string(),
            scene_counts.ejections.to_string(),
        ]);
    }
    table.to_string()
}

/// The summary for people.
pub fn summary(report: &Report) -> String {
    let orders: Vec<_> = report.orders.iter().map(endpoint).collect();
    let codes: Vec<_> = report.codes.iter().map(ends).collect();
    format!(
        "What the customers saw
  {calls} calls{codes}
  {failed} calls of idempotent methods failed
  ShowOrder took {p50} ms (median), {p99} ms (99th percentile)
  a call ended at most {overrun} ms after its deadline
  {before} % of the orders asked inventory-v2 before the weights changed, {after} % after
What the mesh did
  {retries} retries ({amplification} attempts sent for each call received), {ejections} ejections
  {mtls} connections between sidecars with mutual TLS, {plaintext} without
  {versions} configurations published, {certificates} certificates issued, {spans} spans exported
  {outage} calls failed in the scenes without a control plane
  the services worked {late} ms on calls whose callers had given up
  frontend's sidecar now sees orders as: {orders}",
        orders = orders.join(", "),
        calls = report.calls,
        codes = codes.concat(),
        failed = report.failed_idempotent,
        p50 = report.p50_ms,
        p99 = report.p99_ms,
        overrun = report.deadline_overrun_max_ms,
        before = report.new_version_percent_before,
        after = report.new_version_percent_after,
        retries = report.retries,
        amplification = report.retry_amplification,
        ejections = report.ejections,
        mtls = report.mtls_connections,
        plaintext = report.plaintext_connections_between_sidecars,
        spans = report.spans_exported,
        versions = report.config_versions,
        certificates = report.certificates_issued,
        outage = report.control_plane_outage_failed_calls,
        late = report.late_work_ms,
    )
}

fn ends((code, ends): (&&str, &StatusCount)) -> String {
    let StatusCount { count, first } = ends;
    let quoted = match first.is_empty() {
        true => String::new(),
        false => format!(", first: {first}"),
    };
    format!("\n    {count} {code}{quoted}")
}

fn endpoint(endpoint: &Endpoint) -> String {
    let Endpoint {
        name,
        out,
        breaker,
        latency_ms,
    } = endpoint;
    let state = if *out { "out" } else { "in" };
    format!("{name} {state} (breaker {breaker}, {latency_ms} ms)")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic::Code;

    use super::*;
    use crate::load::{CallKind, CallOutcome};

    #[test]
    fn the_table_fits_80_columns() {
        let mut statistics = StatisticsByScene::default();
        let latency = Duration::from_micros(1_234_560);
        for scene in Scene::ALL {
            let code = Code::Ok;
            statistics.record(&CallOutcome {
                scene,
                kind: CallKind::Show,
                code,
                message: String::new(),
                latency,
                settled: true,
                new_version: false,
            });
        }
        let all_counts = Scene::ALL.map(|scene| SceneCounts {
            scene,
            retries: 99_999,
            ejections: 999,
        });
        let table = table(&all_counts, &statistics);
        assert!(
            table.lines().all(|line| line.chars().count() <= 80),
            "{table}"
        );
    }
}
