//! What the mesh did: the sidecars' metrics, read from their admin listeners and added up.
//!
//! A sidecar that was killed keeps what it was last seen to have counted.

use std::{collections::BTreeMap, net::SocketAddr, ops::AddAssign};

use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tonic::codegen::Bytes;
use tonic::transport::Uri;

use crate::member::Sidecar;

/// Counts of one sidecar or of all together, since their starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeshCounts {
    /// Calls received by outbound listeners.
    pub calls: u64,
    /// Attempts sent on their behalf.
    pub attempts: u64,
    /// Attempts that were retries.
    pub retries: u64,
    /// Endpoints taken out: ejected, or their breaker opened.
    pub ejections: u64,
    /// Spans that the collector took.
    pub spans_exported: u64,
    /// Connections between sidecars that were accepted with a verified identity.
    pub mtls_connections: u64,
    /// Connections between sidecars that served calls without one.
    plaintext_inbound: u64,
    /// Connections made to other sidecars without mutual TLS.
    plaintext_outbound: u64,
}

impl MeshCounts {
    /// Connections between sidecars without mutual TLS. Each is seen from both ends, unless one
    /// of them was killed.
    pub fn plaintext_connections(&self) -> u64 {
        self.plaintext_inbound.max(self.plaintext_outbound)
    }
}

/// Everything seen so far.
pub struct Observer {
    client: Client<HttpConnector, Empty<Bytes>>,
    seen: BTreeMap<(&'static str, u32), MeshCounts>,
}

impl Observer {
    /// Has seen nothing yet.
    pub fn new() -> Observer {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Observer {
            client,
            seen: BTreeMap::new(),
        }
    }

    /// Reads what each of `sidecars` has counted. One that does not answer keeps its last counts.
    pub async fn look(&mut self, sidecars: &[Sidecar]) {
        for sidecar in sidecars {
            if let Some(text) = self.fetch(sidecar.admin, "/metrics").await {
                self.seen
                    .insert((sidecar.name, sidecar.start), count(&text));
            }
        }
    }

    /// All sidecars together, those that are gone included.
    pub fn total(&self) -> MeshCounts {
        let mut total = MeshCounts::default();
        self.seen.values().for_each(|counts| total += *counts);
        total
    }

    /// A page of the admin listener at `admin`, if it answers.
    pub async fn fetch(&self, admin: SocketAddr, path: &str) -> Option<String> {
        let authority = admin.to_string();
        let uri = Uri::builder()
            .scheme("http")
            .authority(authority)
            .path_and_query(path);
        let answer = self.client.get(uri.build().ok()?).await.ok()?;
        let body = answer.into_body().collect().await.ok()?.to_bytes();
        String::from_utf8(body.to_vec()).ok()
    }
}

impl AddAssign for MeshCounts {
    fn add_assign(&mut self, other: MeshCounts) {
        let MeshCounts {
            calls,
            attempts,
            retries,
            ejections,
            spans_exported,
            mtls_connections,
            plaintext_inbound,
            plaintext_outbound,
        } = other;
        self.calls += calls;
        self.attempts += attempts;
        self.retries += retries;
        self.ejections += ejections;
        self.spans_exported += spans_exported;
        self.mtls_connections += mtls_connections;
        self.plaintext_inbound += plaintext_inbound;
        self.plaintext_outbound += plaintext_outbound;
    }
}

/// The counts in a page of metrics; their names are explained in `docs/METRICS.md`.
fn count(page: &str) -> MeshCounts {
    MeshCounts {
        calls: sum(page, "outrider_calls_total", &["side=\"outbound\""]),
        attempts: sum(page, "outrider_attempts_total", &["side=\"outbound\""]),
        retries: sum(page, "outrider_retries_total", &["side=\"outbound\""]),
        ejections: sum(page, "outrider_ejections_total", &[]),
        spans_exported: sum(page, "outrider_spans_exported_total", &[]),
        mtls_connections: sum(
            page,
            "outrider_mtls_handshakes_total",
            &["side=\"inbound\"", "result=\"ok\""],
        ),
        plaintext_inbound: sum(
            page,
            "outrider_plaintext_connections_total",
            &["side=\"inbound\""],
        ),
        plaintext_outbound: sum(
            page,
            "outrider_plaintext_connections_total",
            &["side=\"outbound\""],
        ),
    }
}

/// Sum of the series of one counter that carry all of `labels`.
pub fn sum(page: &str, name: &str, labels: &[&str]) -> u64 {
    page.lines()
        .filter_map(|line| value(line, name, labels))
        .sum()
}

/// The value of a line such as `name{side="outbound"} 12`, if it is the wanted one.
fn value(line: &str, name: &str, labels: &[&str]) -> Option<u64> {
    let rest = line.strip_prefix(name)?;
    let (set, value) = rest.rsplit_once(' ')?;
    let set = match set {
        "" => "",
        _ => set.strip_prefix('{')?.strip_suffix('}')?,
    };
    labels
        .iter()
        .all(|label| set.split(',').any(|one| one == *label))
        .then(|| value.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
# HELP outrider_calls Calls that ended.
# TYPE outrider_calls counter
outrider_calls_total{side=\"outbound\",service=\"orders\",code=\"OK\"} 12
outrider_calls_total{side=\"outbound\",service=\"orders\",code=\"UNAVAILABLE\"} 1
outrider_calls_total{side=\"inbound\",service=\"orders\",code=\"OK\"} 40
outrider_calls_total_of_another_kind{side=\"outbound\"} 7
outrider_attempts_total{side=\"outbound\",service=\"orders\"} 15
outrider_ejections_total 2
outrider_spans_exported_total 21
outrider_mtls_handshakes_total{side=\"inbound\",result=\"ok\"} 3
outrider_mtls_handshakes_total{side=\"inbound\",result=\"failed\"} 9
outrider_plaintext_connections_total{side=\"inbound\"} 4
# EOF
";

    #[test]
    fn adds_up_the_series_that_carry_the_labels() {
        let expected = MeshCounts {
            calls: 13,
            attempts: 15,
            retries: 0,
            ejections: 2,
            spans_exported: 21,
            mtls_connections: 3,
            plaintext_inbound: 4,
            plaintext_outbound: 0,
        };
        assert_eq!(count(PAGE), expected);
    }

    #[test]
    fn a_plaintext_connection_seen_from_both_ends_is_one() {
        let counts = MeshCounts {
            plaintext_inbound: 1,
            plaintext_outbound: 1,
            ..MeshCounts::default()
        };
        assert_eq!(counts.plaintext_connections(), 1);
    }
}
