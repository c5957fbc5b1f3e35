//! The end of the demo: what the customers saw, what the mesh did, and whether that is good.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use crate::control_plane::ControlPlaneCounts;
use crate::endpoints::Endpoint;
use crate::error::DemoError;
use crate::observe::MeshCounts;
use crate::scenes::Scene;
use crate::statistics::{CallStatistics, StatisticsByScene, StatusCount, milliseconds};

/// Latest end of a call after its deadline. Milliseconds; 50 on a quiet machine, but the demo
/// also runs where others do.
const OVERRUN_MAX_MS: f64 = 500.0;

/// Work after the deadline for each call that was ended there. Milliseconds; the sleep of the
/// scene goes on for 800 ms in three services if the mesh stops no call.
const LATE_MAX_MS: f64 = 100.0;

/// The JSON object of `--report json`. Its fields are an interface: CI reads them.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Calls that the customers made.
    pub calls: u64,
    /// Of these, those that ended with OK.
    pub ok: u64,
    /// Calls of methods marked idempotent whose final status was not OK.
    pub failed_idempotent: u64,
    /// Attempts beyond the first, by all sidecars.
    pub retries: u64,
    /// Attempts sent / calls received, summed over all outbound listeners.
    pub retry_amplification: f64,
    /// Endpoints taken out by a sidecar: ejected, or their breaker opened.
    pub ejections: u64,
    /// Spans that the collector of `--otlp` took; 0 without one.
    pub spans_exported: u64,
    /// Configurations that the control plane published.
    pub config_versions: u64,
    /// Certificates that the control plane signed for sidecars.
    pub certificates_issued: u64,
    /// Calls that did not end with OK, of those sent in the scenes in which the control plane is
    /// away for a while.
    pub control_plane_outage_failed_calls: u64,
    /// Calls that the customers saw end with DEADLINE_EXCEEDED.
    pub deadline_exceeded: u64,
    /// Time the services spent on calls after their callers' deadlines.
    pub late_work_ms: f64,
    /// Median latency of `ShowOrder`, of those that ended with OK.
    pub p50_ms: f64,
    /// 99th percentile of the same.
    pub p99_ms: f64,
    /// Connections between sidecars accepted with a verified identity.
    pub mtls_connections: u64,
    /// Connections between sidecars accepted without one.
    pub plaintext_connections_between_sidecars: u64,
    /// How long after its deadline a call ended, at most.
    pub deadline_overrun_max_ms: f64,
    /// Share of unary calls served with the help of `inventory-v2` before and after the document
    /// changed the weights. Percent.
    pub new_version_percent_before: f64,
    /// See above.
    pub new_version_percent_after: f64,
    /// How calls ended, by status.
    pub codes: BTreeMap<&'static str, StatusCount>,
    /// The same scene by scene.
    pub scenes: Vec<SceneReport>,
    /// How the sidecar of `frontend` saw the instances of `orders` at the end.
    pub orders: Vec<Endpoint>,
}

/// What the customers saw in one scene.
#[derive(Debug, Serialize)]
pub struct SceneReport {
    /// See [`Scene::title`].
    pub scene: &'static str,
    /// Calls sent in this scene.
    pub calls: u64,
    /// Of these, those that ended with OK.
    pub ok: u64,
    /// See [`Report::p50_ms`].
    pub p50_ms: f64,
    /// See [`Report::p99_ms`].
    pub p99_ms: f64,
    /// The same of the calls that were sent a second or more after the scene began.
    pub settled_p99_ms: f64,
    /// See [`Report::codes`].
    pub codes: BTreeMap<&'static str, StatusCount>,
}

/// What was seen of the mesh itself after the last scene.
pub struct Observations {
    /// What all sidecars counted.
    pub counts: MeshCounts,
    /// What the control plane counted.
    pub control_plane: ControlPlaneCounts,
    /// See [`Report::orders`].
    pub orders: Vec<Endpoint>,
    /// See [`Report::late_work_ms`].
    pub late_work: Duration,
}

impl Report {
    /// Puts together what was seen.
    pub fn new(statistics: &StatisticsByScene, seen: Observations) -> Report {
        let Observations {
            counts: mesh,
            control_plane,
            orders,
            late_work,
        } = seen;
        let total = statistics.total();
        let outages = Scene::OUTAGES.map(|scene| statistics.of(scene));
        Report {
            calls: total.calls,
            ok: total.ok,
            failed_idempotent: total.failed_idempotent,
            retries: mesh.retries,
            retry_amplification: ratio(mesh.attempts, mesh.calls),
            ejections: mesh.ejections,
            spans_exported: mesh.spans_exported,
            config_versions: control_plane.config_versions,
            certificates_issued: control_plane.certificates_issued,
            control_plane_outage_failed_calls: outages
                .iter()
                .map(|seen| seen.calls - seen.ok)
                .sum(),
            deadline_exceeded: total.deadline_exceeded,
            late_work_ms: milliseconds(late_work),
            p50_ms: total.latency_ms(50),
            p99_ms: total.latency_ms(99),
            mtls_connections: mesh.mtls_connections,
            plaintext_connections_between_sidecars: mesh.plaintext_connections(),
            deadline_overrun_max_ms: milliseconds(total.deadline_overrun_max),
            new_version_percent_before: statistics.of(Scene::AllWell).new_version_percent(),
            new_version_percent_after: statistics.of(Scene::ShiftedWeights).new_version_percent(),
            scenes: Scene::ALL
                .map(|scene| SceneReport::new(scene, &statistics.of(scene)))
                .into(),
            codes: total.codes,
            orders,
        }
    }

    /// Is this what we promise?
    ///
    /// # Errors
    /// One sentence for each promise that was not kept.
    pub fn verdict(&self) -> Result<(), DemoError> {
        let plaintext = self.plaintext_connections_between_sidecars;
        let broken: Vec<String> = [
            (self.calls == 0).then(|| "no call was made".to_owned()),
            (self.failed_idempotent > 0).then(|| {
                format!(
                    "{} calls of idempotent methods were lost",
                    self.failed_idempotent
                )
            }),
            (plaintext > 0)
                .then(|| format!("{plaintext} connections between sidecars were not encrypted")),
            (self.deadline_exceeded == 0).then(|| "no call was ended at its deadline".to_owned()),
            (self.deadline_overrun_max_ms > OVERRUN_MAX_MS).then(|| {
                format!(
                    "a call ended {} ms after its deadline",
                    self.deadline_overrun_max_ms
                )
            }),
            (self.late_work_ms > LATE_MAX_MS * self.deadline_exceeded as f64).then(|| {
                format!(
                    "services worked {} ms after their deadlines",
                    self.late_work_ms
                )
            }),
            (self.control_plane_outage_failed_calls > 0).then(|| {
                format!(
                    "{} calls failed because the control plane was away",
                    self.control_plane_outage_failed_calls
                )
            }),
            (self.config_versions == 0).then(|| "nothing was configured".to_owned()),
            (self.certificates_issued == 0).then(|| "no sidecar joined".to_owned()),
            (self.retries == 0).then(|| "nothing was retried".to_owned()),
            (self.mtls_connections == 0)
                .then(|| "no connection between sidecars was made".to_owned()),
            (self.new_version_percent_after <= self.new_version_percent_before)
                .then(|| "the changed weights did not move any traffic".to_owned()),
        ]
        .into_iter()
        .flatten()
        .collect();
        match broken.is_empty() {
            true => Ok(()),
            false => Err(DemoError::new(format!(
                "the mesh broke its promises: {}",
                broken.join("; ")
            ))),
        }
    }
}

impl SceneReport {
    fn new(scene: Scene, call_statistics: &CallStatistics) -> SceneReport {
        SceneReport {
            scene: scene.title(),
            calls: call_statistics.calls,
            ok: call_statistics.ok,
            p50_ms: call_statistics.latency_ms(50),
            p99_ms: call_statistics.latency_ms(99),
            settled_p99_ms: call_statistics.settled_latency_ms(99),
            codes: call_statistics.codes.clone(),
        }
    }
}

/// To a thousandth; 0 if there was nothing to compare with.
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        (part as f64 * 1_000.0 / whole as f64).round() / 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Report {
        Report {
            calls: 1,
            ok: 1,
            deadline_exceeded: 1,
            retries: 1,
            config_versions: 1,
            certificates_issued: 1,
            mtls_connections: 1,
            new_version_percent_after: 50.0,
            ..Report::default()
        }
    }

    #[test]
    fn a_broken_promise_is_named() {
        type Spoil = fn(&mut Report);
        let cases: [(Spoil, &str); 12] = [
            (|report| report.calls = 0, "no call was made"),
            (
                |report| report.failed_idempotent = 2,
                "2 calls of idempotent methods were lost",
            ),
            (
                |report| report.plaintext_connections_between_sidecars = 1,
                "1 connections between sidecars were not encrypted",
            ),
            (
                |report| report.deadline_exceeded = 0,
                "no call was ended at its deadline",
            ),
            (
                |report| report.deadline_overrun_max_ms = 800.0,
                "a call ended 800 ms after its deadline",
            ),
            (
                |report| report.late_work_ms = 800.0,
                "services worked 800 ms after their deadlines",
            ),
            (
                |report| report.control_plane_outage_failed_calls = 3,
                "3 calls failed because the control plane was away",
            ),
            (
                |report| report.config_versions = 0,
                "nothing was configured",
            ),
            (|report| report.certificates_issued = 0, "no sidecar joined"),
            (|report| report.retries = 0, "nothing was retried"),
            (
                |report| report.mtls_connections = 0,
                "no connection between sidecars was made",
            ),
            (
                |report| report.new_version_percent_after = 0.0,
                "the changed weights did not move any traffic",
            ),
        ];
        assert!(good().verdict().is_ok());
        for (spoil, expected) in cases {
            let mut report = good();
            spoil(&mut report);
            let broken = report.verdict().expect_err(expected).to_string();
            assert_eq!(broken, format!("the mesh broke its promises: {expected}"));
        }
    }

    #[test]
    fn the_object_has_the_fields_that_others_read() {
        let object = serde_json::to_value(good()).unwrap();
        let fields = [
            "calls",
            "ok",
            "failed_idempotent",
            "retries",
            "retry_amplification",
            "ejections",
            "spans_exported",
            "config_versions",
            "control_plane_outage_failed_calls",
            "certificates_issued",
            "deadline_exceeded",
            "late_work_ms",
            "p50_ms",
            "p99_ms",
            "mtls_connections",
            "plaintext_connections_between_sidecars",
            "deadline_overrun_max_ms",
        ];
        for field in fields {
            assert!(object[field].is_number(), "{field}");
        }
    }
}
