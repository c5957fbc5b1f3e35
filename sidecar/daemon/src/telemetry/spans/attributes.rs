//! What a span says, under the names of OpenTelemetry's semantic conventions.
//!
//! What the conventions have no word for is called `outrider.*`; all of it is listed in
//! `docs/METRICS.md`, section Spans.
//! Reference: <https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>.

use std::net::SocketAddr;

use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value::Value};
use opentelemetry_semantic_conventions::attribute as semconv;
use outrider_engine::{CallRecord, Outcome, Side};
use outrider_policy::{Code, Decision};

const ROUTE: &str = "outrider.route";
const SERVICE: &str = "outrider.service";
const PEER: &str = "outrider.peer";
const OUTCOME: &str = "outrider.outcome";
const REASON: &str = "outrider.reason";
const DECISIONS: &str = "outrider.decisions";
const RETRIES: &str = "outrider.retries";
const WAITED: &str = "outrider.waited_ms";
const REQUEST_ID: &str = "outrider.request_id";
const ATTEMPT: &str = "outrider.attempt";
const SENT: &str = "outrider.sent";

/// The attributes of one span, in the order in which they were said.
#[derive(Debug, Default)]
pub struct Attributes(Vec<KeyValue>);

impl Attributes {
    /// What a call is, where it went and how it ended.
    pub fn of_call(record: &CallRecord) -> Attributes {
        let mut attributes = Attributes::default();
        attributes.method(record);
        attributes.status(record);
        if record.side == Side::Outbound {
            attributes.server(&record.authority);
        }
        attributes.network_peer(match record.side {
            Side::Outbound => record.endpoint,
            Side::Inbound => record.caller,
        });
        attributes.maybe(ROUTE, record.route.as_deref());
        attributes.maybe(SERVICE, record.cluster.as_deref());
        attributes.maybe(PEER, record.peer.as_deref().map(|peer| peer.as_str()));
        attributes.outcome(record.outcome);
        attributes.decisions(record.trail.decisions());
        if record.side == Side::Outbound {
            attributes.number(RETRIES, i64::from(record.retries));
        }
        if !record.waited.is_zero() {
            let waited = record.waited.as_secs_f64() * 1e3;
            attributes.add(WAITED, Value::DoubleValue(waited));
        }
        attributes.text(REQUEST_ID, &record.request_id);
        attributes
    }

    /// Where an attempt went and how it ended. `number` counts from 1.
    pub fn of_attempt(
        record: &CallRecord,
        number: i64,
        endpoint: SocketAddr,
        code: Code,
        sent: bool,
    ) -> Attributes {
        let mut attributes = Attributes::default();
        attributes.method(record);
        if record.is_grpc {
            attributes.text(semconv::RPC_RESPONSE_STATUS_CODE, code.name());
        }
        attributes.network_peer(Some(endpoint));
        attributes.number(ATTEMPT, number);
        attributes.add(SENT, Value::BoolValue(sent));
        attributes
    }

    /// What tells the processes of a mesh apart.
    pub fn of_process(service: &str, namespace: &str, instance: &str) -> Attributes {
        let mut attributes = Attributes::default();
        attributes.text(semconv::SERVICE_NAME, service);
        attributes.text(semconv::SERVICE_NAMESPACE, namespace);
        attributes.text(semconv::SERVICE_INSTANCE_ID, instance);
        attributes
    }

    /// Adds why the span counts as failed.
    pub fn error(&mut self, kind: &str) {
        self.text(semconv::ERROR_TYPE, kind);
    }

    /// As OTLP has them.
    pub fn into_vec(self) -> Vec<KeyValue> {
        self.0
    }

    fn method(&mut self, record: &CallRecord) {
        if record.is_grpc {
            self.text(semconv::RPC_SYSTEM_NAME, "grpc");
            self.text(semconv::RPC_METHOD, method_name(record));
        } else {
            let path = record.path.split('?').next().unwrap_or_default();
            self.text(semconv::URL_PATH, path);
        }
    }

    fn status(&mut self, record: &CallRecord) {
        if record.is_grpc {
            self.text(semconv::RPC_RESPONSE_STATUS_CODE, record.code.name());
        } else if record.http_status != 0 {
            let status = i64::from(record.http_status);
            self.number(semconv::HTTP_RESPONSE_STATUS_CODE, status);
        }
    }

    /// Whom the caller asked for; where that is, is the network peer.
    fn server(&mut self, authority: &str) {
        let port = authority
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
        let host = port.map_or(authority, |(host, _)| host);
        self.text(semconv::SERVER_ADDRESS, host.trim_matches(['[', ']']));
        if let Some((_, port)) = port {
            self.number(semconv::SERVER_PORT, i64::from(port));
        }
    }

    fn network_peer(&mut self, address: Option<SocketAddr>) {
        if let Some(address) = address {
            self.text(semconv::NETWORK_PEER_ADDRESS, &address.ip().to_string());
            self.number(semconv::NETWORK_PEER_PORT, i64::from(address.port()));
        }
    }

    fn outcome(&mut self, outcome: Outcome) {
        let (word, reason) = match outcome {
            Outcome::Answered => ("answered", None),
            Outcome::Refused(reason) => ("refused", Some(reason.name())),
            Outcome::Cancelled => ("cancelled", None),
        };
        self.text(OUTCOME, word);
        self.maybe(REASON, reason);
    }

    fn decisions(&mut self, decisions: &[Decision]) {
        if decisions.is_empty() {
            return;
        }
        let text = |decision: &Decision| AnyValue {
            value: Some(Value::StringValue(decision.to_string())),
        };
        let values = decisions.iter().map(text).collect();
        self.add(DECISIONS, Value::ArrayValue(ArrayValue { values }));
    }

    fn maybe(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    fn text(&mut self, key: &str, text: &str) {
        self.add(key, Value::StringValue(text.to_owned()));
    }

    fn number(&mut self, key: &str, number: i64) {
        self.add(key, Value::IntValue(number));
    }

    fn add(&mut self, key: &str, value: Value) {
        self.0.push(KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(value) }),
            ..KeyValue::default()
        });
    }
}

/// `shop.v1.Orders/Get` of a gRPC path.
pub fn method_name(record: &CallRecord) -> &str {
    record.path.strip_prefix('/').unwrap_or(&record.path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;

    /// Every attribute as `key=value`.
    fn said(attributes: Attributes) -> Vec<String> {
        let show = |pair: KeyValue| match pair.value.and_then(|value| value.value) {
            Some(Value::StringValue(text)) => format!("{}={text}", pair.key),
            Some(Value::IntValue(number)) => format!("{}={number}", pair.key),
            other => format!("{}={other:?}", pair.key),
        };
        attributes.into_vec().into_iter().map(show).collect()
    }

    #[test]
    fn a_grpc_call_is_described_in_the_words_of_the_conventions() {
        let record = CallRecord {
            authority: "orders.mesh:50051".to_owned(),
            endpoint: Some(SocketAddr::from(([10, 0, 0, 9], 15_006))),
            request_id: "r-1".to_owned(),
            ..record()
        };
        let expected = [
            "rpc.system.name=grpc",
            "rpc.method=shop.v1.Orders/Get",
            "rpc.response.status_code=OK",
            "server.address=orders.mesh",
            "server.port=50051",
            "network.peer.address=10.0.0.9",
            "network.peer.port=15006",
            "outrider.service=orders",
            "outrider.outcome=answered",
            "outrider.retries=0",
            "outrider.request_id=r-1",
        ];
        assert_eq!(said(Attributes::of_call(&record)), expected);
    }

    #[test]
    fn a_plain_call_says_its_path_without_the_query() {
        let record = CallRecord {
            is_grpc: false,
            path: "/cart?card=4111".to_owned(),
            ..record()
        };
        let said = said(Attributes::of_call(&record));
        assert_eq!(
            said[..2],
            ["url.path=/cart", "http.response.status_code=200"]
        );
    }

    #[test]
    fn an_authority_without_a_port_names_a_host_alone() {
        let cases = [
            ("orders", "server.address=orders", None),
            ("orders:1", "server.address=orders", Some("server.port=1")),
            ("[::1]", "server.address=::1", None),
            ("[::1]:80", "server.address=::1", Some("server.port=80")),
        ];
        for (authority, host, port) in cases {
            let mut attributes = Attributes::default();
            attributes.server(authority);
            let expected: Vec<&str> = std::iter::once(host).chain(port).collect();
            assert_eq!(said(attributes), expected, "{authority}");
        }
    }
}
