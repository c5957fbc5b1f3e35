//! What the control plane counts. Names, types, units and labels: `docs/METRICS.md`.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};

use crate::members::sidecars::Protocol;
use crate::storage::store::Health;
use crate::tls::ConnectionCounts;

/// All metrics of a control plane.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    sidecars: Family<ProtocolLabels, Gauge>,
    responses: Family<ProtocolLabels, Counter>,
    rejections: Family<ProtocolLabels, Counter>,
    nodes_misnamed: Counter,
    announcements: Family<ResultLabels, Counter>,
    services: Gauge,
    leases: Family<StateLabels, Gauge>,
    grace: Gauge,
    contested: Gauge,
    publications: Counter,
    certificates: Family<CauseLabels, Counter>,
    joins_refused: Counter,
    documents_version: Gauge,
    events_lost: Counter,
    connections: Family<ClientLabels, Gauge>,
    connections_by_address: Family<AddressLabels, Gauge>,
    connections_refused: Family<ClientLabels, Counter>,
    addresses_unproven: Counter,
    store_unwritable: Gauge,
    store_failures: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProtocolLabels {
    protocol: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CauseLabels {
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClientLabels {
    client: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AddressLabels {
    address: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

/// What is not counted but read when metrics are encoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// Connected sidecars that speak delta.
    pub delta: usize,
    /// Connected sidecars that speak state of the world.
    pub world: usize,
    /// Services that are registered.
    pub services: usize,
    /// Leases that hold.
    pub live: usize,
    /// Leases that have just run out.
    pub lapsed: usize,
    /// Leases that are kept although they have run out.
    pub stale: usize,
    /// Seconds for which silent instances are still kept.
    pub grace_seconds: u64,
    /// Registrations without effect.
    pub contested: usize,
    /// The version of the documents in force.
    pub documents_version: u64,
    /// Events of the journal that were lost.
    pub events_lost: u64,
    /// The open connections, and how many were refused or closed.
    pub connections: ConnectionCounts,
    /// Whether the store can be written.
    pub store: Health,
}

impl Metrics {
    /// Names and registers all metrics. The table in `docs/METRICS.md` has the same order.
    #[rustfmt::skip] // A table: one metric a line.
    pub fn new() -> Metrics {
        let mut registry = Registry::with_prefix("outrider_control_plane");
        let r = &mut registry;
        Metrics {
            sidecars: register(r, "sidecars", "Connected sidecars", Family::default()),
            responses: register(r, "responses", "ADS responses sent", Family::default()),
            rejections: register(r, "rejections", "ADS responses that a sidecar refused, at least in part", Family::default()),
            nodes_misnamed: register(r, "nodes_misnamed", "Streams whose node names another service than the certificate", Counter::default()),
            announcements: register(r, "announcements", "Announcements of instances", Family::default()),
            services: register(r, "services", "Services that are registered", Gauge::default()),
            leases: register(r, "leases", "Leases of instances", Family::default()),
            grace: register(r, "grace_seconds", "Time in which no silent instance is removed yet", Gauge::default()),
            contested: register(r, "contested_services", "Registrations without effect, because their name is another namespace's", Gauge::default()),
            publications: register(r, "publications", "States published to sidecars", Counter::default()),
            certificates: register(r, "certificates_issued", "Certificates issued to sidecars", Family::default()),
            joins_refused: register(r, "joins_refused", "Joins refused because the token is unknown, expired or revoked", Counter::default()),
            documents_version: register(r, "documents_version", "Version of the documents in force", Gauge::default()),
            events_lost: register(r, "events_lost", "Events that are missing in the journal", Counter::default()),
            connections: register(r, "connections", "Connections, by what their certificate says", Family::default()),
            connections_by_address: register(r, "connections_by_address", "Connections of the eight addresses that have the most", Family::default()),
            connections_refused: register(r, "connections_refused", "Connections that ended because there were too many of their kind", Family::default()),
            addresses_unproven: register(r, "addresses_unproven", "Address checks that did not find the member at the address that it announced", Counter::default()),
            store_unwritable: register(r, "store_unwritable", "1 while the disk takes no writes, else 0", Gauge::default()),
            store_failures: register(r, "store_failures", "Times that the disk stopped taking writes", Counter::default()),
            registry,
        }
    }

    /// A stream's node names another service than its certificate.
    pub fn node_misnamed(&self) {
        self.nodes_misnamed.inc();
    }

    /// A response has been sent.
    pub fn responded(&self, protocol: Protocol) {
        self.responses.get_or_create(&labels(protocol)).inc();
    }

    /// A response was refused.
    pub fn rejected(&self, protocol: Protocol) {
        self.rejections.get_or_create(&labels(protocol)).inc();
    }

    /// An announcement was taken, or refused.
    pub fn announced(&self, taken: bool) {
        let result = if taken { "taken" } else { "refused" };
        self.announcements
            .get_or_create(&ResultLabels { result })
            .inc();
    }

    /// A member was not found at the address that it announced.
    pub fn address_unproven(&self) {
        self.addresses_unproven.inc();
    }

    /// A new state has been published.
    pub fn published(&self) {
        self.publications.inc();
    }

    /// A sidecar has got its first certificate, by a token.
    pub fn joined(&self) {
        self.issued("join");
    }

    /// A sidecar has renewed its certificate.
    pub fn renewed(&self) {
        self.issued("renewal");
    }

    /// A join was refused because its token is not valid.
    pub fn join_refused(&self) {
        self.joins_refused.inc();
    }

    fn issued(&self, cause: &'static str) {
        let certificates = self.certificates.get_or_create(&CauseLabels { cause });
        certificates.inc();
    }

    /// All metrics in the OpenMetrics text format, with the levels of now.
    pub fn encode(&self, levels: Levels) -> String {
        self.set(levels);
        let mut text = String::new();
        // Writing to a `String` does not fail, and our own label sets encode.
        if let Err(error) = prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            tracing::error!(%error, "metrics could not be encoded");
        }
        text
    }

    fn set(&self, levels: Levels) {
        let Levels {
            delta,
            world,
            services,
            live,
            lapsed,
            stale,
            grace_seconds,
            contested,
            documents_version,
            events_lost,
            connections,
            store,
        } = levels;
        for (protocol, count) in [(Protocol::Delta, delta), (Protocol::StateOfTheWorld, world)] {
            let gauge = self.sidecars.get_or_create(&labels(protocol));
            gauge.set(level(count as u64));
        }
        for (state, count) in [("live", live), ("lapsed", lapsed), ("stale", stale)] {
            let gauge = self.leases.get_or_create(&StateLabels { state });
            gauge.set(level(count as u64));
        }
        self.services.set(level(services as u64));
        self.grace.set(level(grace_seconds));
        self.contested.set(level(contested as u64));
        self.documents_version.set(level(documents_version));
        raise(&self.events_lost, events_lost);
        self.store_unwritable.set(store.failing.is_some().into());
        raise(&self.store_failures, store.failures);
        self.set_connections(&connections);
    }

    fn set_connections(&self, connections: &ConnectionCounts) {
        let ConnectionCounts {
            handshakes,
            anonymous,
            known,
            busiest,
            refused,
        } = connections;
        let present = [
            ("handshake", handshakes),
            ("anonymous", anonymous),
            ("known", known),
        ];
        for (client, count) in present {
            let gauge = self.connections.get_or_create(&ClientLabels { client });
            gauge.set(level(*count as u64));
        }
        // Other addresses may have been the busiest before.
        self.connections_by_address.clear();
        for (address, count) in busiest {
            let address = address.to_string();
            let labels = AddressLabels { address };
            let gauge = self.connections_by_address.get_or_create(&labels);
            gauge.set(level(*count as u64));
        }
        let refused = [
            ("handshake", refused.handshakes),
            ("anonymous", refused.anonymous),
            ("known", refused.known),
        ];
        for (client, count) in refused {
            let labels = ClientLabels { client };
            raise(&self.connections_refused.get_or_create(&labels), count);
        }
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

fn labels(protocol: Protocol) -> ProtocolLabels {
    ProtocolLabels {
        protocol: protocol.word(),
    }
}

/// A counter that is counted elsewhere.
fn raise(counter: &Counter, count: u64) {
    counter.inc_by(count.saturating_sub(counter.get()));
}

fn level(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn register<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const DOCUMENTED: &str = include_str!("../../docs/METRICS.md");

    /// Names in the table of the docs, without the `_total` that scraping adds to counters.
    fn documented() -> BTreeSet<String> {
        let section = DOCUMENTED.split("\n# Control plane\n").nth(1);
        let lines = section.unwrap_or_default().lines();
        let rows = lines.filter(|line| line.starts_with("| `outrider_"));
        let names = rows.filter_map(|row| row.split('`').nth(1));
        names
            .map(|name| name.trim_end_matches("_total").to_owned())
            .collect()
    }

    /// Names of all registered metrics, also of families that are still empty and not encoded.
    fn registered() -> BTreeSet<String> {
        let printed = format!("{:?}", Metrics::new().registry);
        let names = printed.split("Descriptor { name: \"").skip(1);
        let names = names.filter_map(|rest| rest.split('"').next());
        names
            .map(|name| format!("outrider_control_plane_{name}"))
            .collect()
    }

    #[test]
    fn every_metric_is_documented_and_every_documented_metric_exists() {
        assert_eq!(registered(), documented());
    }

    #[test]
    fn levels_are_those_of_the_last_question() {
        let metrics = Metrics::new();
        metrics.encode(Levels {
            stale: 2,
            events_lost: 1,
            ..Levels::default()
        });
        let text = metrics.encode(Levels {
            events_lost: 3,
            ..Levels::default()
        });
        assert!(text.contains("leases{state=\"stale\"} 0"), "{text}");
        assert!(text.contains("events_lost_total 3"), "{text}");
    }
}
