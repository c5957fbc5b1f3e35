//! What the documents accept is accepted here, whatever fields a policy writes or leaves out.

use super::first;
use outrider_documents::{load, render};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;

const SERVICE: &str = "\
apiVersion: outrider.dev/v1
kind: Service
metadata: { name: echo }
spec:
  grpcServices: [bench.Echo]
  endpoints: { static: [ { address: \"127.0.0.1:9001\" } ] }
---
apiVersion: outrider.dev/v1
kind: TrafficPolicy
metadata: { name: echo }
spec:
  targetRefs: [ { kind: Service, name: echo } ]
";

/// On both sides of every default that a sidecar has.
const DURATIONS: [&str; 9] = [
    "1ms", "999ms", "1s", "10s", "60s", "61s", "5m", "6m", "99999h",
];
const NUMBERS: [&str; 9] = ["0", "1", "2", "5", "50", "100", "101", "1024", "1000000"];

/// `name: { ... }` with any of the fields, each with any of its values; or nothing.
fn object(
    name: &'static str,
    fields: &'static [(&'static str, &'static [&'static str])],
) -> impl Strategy<Value = String> {
    let fields: Vec<_> = fields
        .iter()
        .map(|(field, values)| {
            let value = option::weighted(0.4, select(*values));
            value.prop_map(move |value| value.map(|value| format!("{field}: {value}")))
        })
        .collect();
    let fields = fields.prop_map(|fields| fields.into_iter().flatten().collect::<Vec<_>>());
    option::of(fields).prop_map(move |fields| {
        fields.map_or(String::new(), |fields| {
            format!("  {name}: {{ {} }}\n", fields.join(", "))
        })
    })
}

fn method() -> impl Strategy<Value = String> {
    let yes = option::of(Just("true"));
    let time = || option::of(select(&DURATIONS[..]));
    (yes.clone(), yes, time(), time()).prop_map(|(unary, idempotent, timeout, per_try)| {
        let fields = [
            ("unary", unary),
            ("idempotent", idempotent),
            ("timeout", timeout),
            ("perTryTimeout", per_try),
        ];
        let written = fields
            .iter()
            .filter_map(|(field, value)| Some(format!(", {field}: {}", (*value)?)));
        written.collect()
    })
}

fn policy() -> impl Strategy<Value = String> {
    let breaker = object(
        "breaker",
        &[
            ("failurePercent", &NUMBERS),
            ("window", &DURATIONS),
            ("minCalls", &NUMBERS),
            ("consecutiveFailures", &NUMBERS),
            ("openTime", &DURATIONS),
            ("maxOpenTime", &DURATIONS),
        ],
    );
    let outlier = object(
        "outlierDetection",
        &[
            ("consecutiveFailures", &NUMBERS),
            ("baseEjectionTime", &DURATIONS),
            ("maxEjectionPercent", &NUMBERS),
        ],
    );
    let limits = object("limits", &[("calls", &NUMBERS), ("waiting", &NUMBERS)]);
    let retry = object(
        "retry",
        &[
            ("attempts", &["1", "2", "5"]),
            ("perTryTimeout", &DURATIONS),
            ("on", &["[]", "[UNAVAILABLE]", "[ABORTED, INTERNAL]"]),
            ("budget", &["{ percent: 0 }", "{ minPerSecond: 0 }"]),
        ],
    );
    let times = [
        "timeout",
        "connectTimeout",
        "maxConnectionAge",
        "waitForReady",
    ]
    .map(|field| {
        let value = option::of(select(&DURATIONS[..]));
        value.prop_map(move |value| {
            value.map_or(String::new(), |value| format!("  {field}: {value}\n"))
        })
    });
    let methods = vec(method(), 0..3).prop_map(|methods| {
        let methods = methods.iter().enumerate();
        let entries =
            methods.map(|(index, fields)| format!("{{ name: bench.Echo/M{index}{fields} }}"));
        format!(
            "  methods: [ {} ]\n",
            entries.collect::<Vec<_>>().join(", ")
        )
    });
    (breaker, outlier, limits, retry, times, methods).prop_map(
        |(breaker, outlier, limits, retry, times, methods)| {
            [breaker, outlier, limits, retry, times.concat(), methods].concat()
        },
    )
}

#[test]
fn a_policy_that_loads_is_never_refused_later() {
    let good = Cell::new(0);
    let config = Config {
        cases: 2_000,
        failure_persistence: None,
        ..Config::default()
    };
    let looked = TestRunner::new(config).run(&policy(), |policy| {
        let text = format!("{SERVICE}{policy}");
        if let Ok(documents) = load(&[("echo.yaml", &text)]) {
            good.set(good.get() + 1);
            let rejected = first(&render(&documents)).rejected;
            prop_assert!(rejected.is_empty(), "{rejected:?}\n{text}");
        }
        Ok(())
    });
    looked.unwrap_or_else(|failure| panic!("{failure}"));
    let good = good.get();
    assert!(
        good > 100,
        "only {good} were good: the test looks at nothing"
    );
}
