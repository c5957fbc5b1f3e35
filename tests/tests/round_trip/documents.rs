//! Sets of documents that are right, with every field.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

type Field = (&'static str, BoxedStrategy<Option<Value>>);

/// Most services of a set.
const SERVICES_MAX: usize = 4;

/// A set: some services, and of the other kinds what refers to them.
pub fn set() -> impl Strategy<Value = Vec<Value>> {
    (1..=SERVICES_MAX).prop_flat_map(|count| {
        let services: Vec<_> = (0..count).map(service).collect();
        let policies: Vec<_> = (0..count).map(|at| option::of(policy(at))).collect();
        let routes: Vec<_> = (0..count).map(|at| option::of(route(at, count))).collect();
        let callers: Vec<_> = (0..count).map(|at| option::of(authorization(at))).collect();
        let mesh = option::of(mesh());
        let others =
            (policies, routes, callers, mesh).prop_map(|(policies, routes, callers, mesh)| {
                let others = policies.into_iter().chain(routes).chain(callers);
                others.chain([mesh]).flatten().collect::<Vec<_>>()
            });
        (services, others).prop_map(|(services, others)| [services, others].concat())
    })
}

fn service_name(at: usize) -> String {
    format!("service-{at}")
}

fn grpc_service(at: usize) -> String {
    format!("shop.v1.Service{at}")
}

fn service(at: usize) -> BoxedStrategy<Value> {
    let listed = subsequence(vec!["10.0.0.9:1", "[::1]:65535"], 1..=2);
    let listed = listed.prop_map(|all| addresses(&all));
    let names = select(vec!["orders.internal:50051", "a.:1"]).prop_map(|name| addresses(&[name]));
    let families = ["any", "ipv4First", "ipv4", "ipv6"].map(Value::from);
    let endpoints = prop_oneof![
        Just(json!({ "registered": {} })),
        object(vec![always("static", listed)]),
        object(vec![
            always("static", names),
            maybe("addressFamily", select(families.to_vec())),
        ]),
    ];
    let spec = object(vec![
        always("grpcServices", Just(json!([grpc_service(at)]))),
        maybe("tls", select(vec![json!("mesh")])),
        maybe("endpoints", endpoints),
    ]);
    document("outrider.dev/v1", "Service", &service_name(at), spec)
}

fn addresses(all: &[&str]) -> Value {
    let items = all.iter().map(|address| json!({ "address": address }));
    items.collect()
}

fn policy(at: usize) -> BoxedStrategy<Value> {
    let spec = object(vec![
        always("targetRefs", list(target(at))),
        maybe("timeout", seconds(10..60)),
        maybe("connectTimeout", seconds(1..5)),
        maybe("maxConnectionAge", seconds(0..60)),
        maybe("maxConnectionsPerEndpoint", number(1..=1_000)),
        maybe("waitForReady", seconds(1..60)),
        maybe("retry", retry()),
        maybe("breaker", breaker()),
        maybe("outlierDetection", outlier_detection()),
        maybe("limits", limits()),
        maybe("rateLimits", list(rate_limit())),
        maybe("methods", list(method(at))),
    ]);
    document(
        "outrider.dev/v1",
        "TrafficPolicy",
        &format!("policy-{at}"),
        spec,
    )
}

fn retry() -> BoxedStrategy<Value> {
    let budget = object(vec![
        maybe("percent", number(0..=100)),
        maybe("minPerSecond", number(0..=1_000_000)),
    ]);
    object(vec![
        maybe("attempts", number(2..=5)),
        maybe("perTryTimeout", seconds(1..9)),
        maybe(
            "on",
            select(vec![json!([]), json!(["UNAVAILABLE", "ABORTED"])]),
        ),
        maybe("budget", budget),
    ])
}

fn breaker() -> BoxedStrategy<Value> {
    object(vec![
        maybe("failurePercent", number(1..=100)),
        maybe("window", seconds(1..60)),
        maybe("minCalls", number(1..=1_000_000)),
        maybe("consecutiveFailures", number(0..=1_000_000)),
        maybe("openTime", seconds(1..30)),
        maybe("maxOpenTime", seconds(31..90)),
    ])
}

fn outlier_detection() -> BoxedStrategy<Value> {
    object(vec![
        maybe("consecutiveFailures", number(1..=1_000_000)),
        maybe("baseEjectionTime", seconds(1..60)),
        maybe("maxEjectionPercent", number(0..=100)),
    ])
}

fn limits() -> BoxedStrategy<Value> {
    object(vec![
        maybe("calls", number(1..=1_000_000)),
        maybe("waiting", number(0..=1_000_000)),
    ])
}

/// One of each kind: a bucket of tokens, one that paces, a window for each value of a header.
fn rate_limit() -> BoxedStrategy<Value> {
    let with = |mut fields: Vec<Field>| {
        fields.push(always("name", Just(json!("a-limit"))));
        fields.push(always("limit", number(1..=1_000)));
        fields.push(maybe("period", seconds(1..3_600)));
        fields.push(maybe(
            "responseHeaders",
            any::<bool>().prop_map(Value::from),
        ));
        object(fields)
    };
    let windows = select(vec![json!("slidingWindow"), json!("fixedWindow")]);
    prop_oneof![
        with(vec![
            maybe("algorithm", Just(json!("tokenBucket"))),
            maybe("burst", number(1..=1_000_000)),
            maybe("warmUp", seconds(1..3_600)),
        ]),
        with(vec![
            always("algorithm", Just(json!("leakyBucket"))),
            maybe("maxWait", seconds(0..60)),
        ]),
        with(vec![
            always("algorithm", windows),
            always("per", Just(json!("header"))),
            always("header", Just(json!("x-tenant"))),
            maybe("maxKeys", number(1..=1_000)),
        ]),
    ]
    .boxed()
}

fn method(at: usize) -> BoxedStrategy<Value> {
    object(vec![
        always("name", Just(json!(format!("{}/Get", grpc_service(at))))),
        maybe("unary", any::<bool>().prop_map(Value::from)),
        maybe("idempotent", any::<bool>().prop_map(Value::from)),
        maybe("timeout", seconds(10..60)),
        maybe("perTryTimeout", seconds(1..9)),
        maybe("waitForReady", seconds(1..60)),
    ])
}

fn route(at: usize, count: usize) -> BoxedStrategy<Value> {
    let spec = object(vec![
        always("parentRefs", list(target(at))),
        always("rules", vec(rule(at, count), 1..3).prop_map(Value::from)),
    ]);
    let kind = "GRPCRoute";
    document(
        "gateway.networking.k8s.io/v1",
        kind,
        &format!("route-{at}"),
        spec,
    )
}

fn rule(at: usize, count: usize) -> BoxedStrategy<Value> {
    object(vec![
        maybe("name", Just(json!("a-rule"))),
        maybe("matches", list(matched(at))),
        always(
            "backendRefs",
            (0..count).prop_flat_map(backend).prop_map(|it| json!([it])),
        ),
    ])
}

fn matched(at: usize) -> BoxedStrategy<Value> {
    let method = object(vec![
        maybe("type", Just(json!("Exact"))),
        always("service", Just(json!(grpc_service(at)))),
        maybe("method", Just(json!("Get"))),
    ]);
    let header = object(vec![
        maybe("type", Just(json!("Exact"))),
        always("name", select(vec![json!("x-canary"), json!("X-B")])),
        always(
            "value",
            select(vec![json!("yes"), json!("%a: #---"), json!("'\"")]),
        ),
    ]);
    object(vec![
        maybe("method", method),
        maybe("headers", list(header)),
    ])
}

fn backend(at: usize) -> BoxedStrategy<Value> {
    let mut fields = reference(at);
    fields.push(maybe("kind", Just(json!("Service"))));
    fields.push(maybe("weight", number(1..=1_000_000)));
    object(fields)
}

/// A reference that must say its kind.
fn target(at: usize) -> BoxedStrategy<Value> {
    let mut fields = reference(at);
    fields.push(always("kind", Just(json!("Service"))));
    object(fields)
}

fn reference(at: usize) -> Vec<Field> {
    vec![
        maybe(
            "group",
            select(vec![json!(""), json!("core"), json!("outrider.dev")]),
        ),
        always("name", Just(json!(service_name(at)))),
        maybe("namespace", Just(json!("default"))),
    ]
}

fn authorization(at: usize) -> BoxedStrategy<Value> {
    let ids = select(vec![
        json!(["spiffe://outrider.local/ns/default/svc/a"]),
        json!(["spiffe://outrider.local/ns/shop/*"]),
    ]);
    let source = object(vec![
        always("principals", ids.clone()),
        maybe("notPrincipals", ids),
        maybe("namespaces", Just(json!(["default", "shop-*"]))),
    ]);
    let operation = object(vec![
        always("grpcServices", Just(json!([grpc_service(at)]))),
        maybe("grpcMethods", Just(json!(["Get*"]))),
    ]);
    let condition = object(vec![
        always("key", Just(json!("request.headers[x-reason]"))),
        always("values", Just(json!(["*"]))),
    ]);
    let rule = object(vec![
        maybe("from", list(object(vec![always("source", source)]))),
        maybe("to", list(object(vec![always("operation", operation)]))),
        maybe("when", list(condition)),
    ]);
    let action = select(vec![json!("ALLOW"), json!("DENY"), json!("AUDIT")]);
    let spec = object(vec![
        always("targetRefs", list(target(at))),
        maybe("action", action),
        maybe("rules", list(rule)),
    ]);
    let kind = "AuthorizationPolicy";
    document("outrider.dev/v1", kind, &format!("callers-{at}"), spec)
}

fn mesh() -> BoxedStrategy<Value> {
    let keepalive = || {
        object(vec![
            maybe("interval", seconds(10..60)),
            maybe("timeout", seconds(1..60)),
        ])
    };
    let connections = object(vec![
        maybe("handshakeTimeout", seconds(1..60)),
        maybe("headerTimeout", seconds(1..60)),
        maybe("stalledTimeout", seconds(1..60)),
        maybe("idleTimeout", seconds(0..60)),
        maybe("maxAge", seconds(0..60)),
        maybe("keepalive", keepalive()),
        maybe("foreignKeepalive", keepalive()),
    ]);
    let percent = select(vec![json!(0), json!(100), json!(0.5), json!(12.3456)]);
    let verify = select(vec![json!("warn"), json!("require")]);
    let default = select(vec![json!("allow"), json!("deny")]);
    let spec = object(vec![
        maybe("trustDomain", Just(json!("outrider.local"))),
        maybe("tracing", object(vec![maybe("samplePercent", percent)])),
        maybe("connections", connections),
        maybe("registration", object(vec![maybe("verify", verify)])),
        maybe("authorization", object(vec![maybe("default", default)])),
    ]);
    document("outrider.dev/v1", "Mesh", "mesh", spec)
}

fn document(
    version: &'static str,
    kind: &'static str,
    name: &str,
    spec: BoxedStrategy<Value>,
) -> BoxedStrategy<Value> {
    let metadata = object(vec![
        always("name", Just(json!(name))),
        maybe("namespace", Just(json!("default"))),
        maybe("labels", texts()),
        maybe("annotations", texts()),
    ]);
    object(vec![
        always("apiVersion", Just(json!(version))),
        always("kind", Just(json!(kind))),
        always("metadata", metadata),
        always("spec", spec),
        maybe("status", texts()),
    ])
}

/// Texts that look like what stands around documents.
fn texts() -> impl Strategy<Value = Value> {
    let text = select(vec![
        "",
        "yes",
        "---",
        "...",
        "%YAML 1.2",
        "# no comment",
        "---\n...\n%YAML 1.2\n# a\n\n--- b\n",
        "a: 'b' \"c\" \\ é \u{1f600}",
    ]);
    text.prop_map(|text| json!({ "outrider.dev/note": text }))
}

fn seconds(range: std::ops::Range<u32>) -> impl Strategy<Value = Value> {
    range.prop_map(|seconds| json!(format!("{seconds}s")))
}

fn number(range: std::ops::RangeInclusive<u32>) -> impl Strategy<Value = Value> {
    range.prop_map(Value::from)
}

fn list(item: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    item.prop_map(|item| Value::Array(vec![item]))
}

fn maybe(name: &'static str, value: impl Strategy<Value = Value> + 'static) -> Field {
    (name, option::of(value).boxed())
}

fn always(name: &'static str, value: impl Strategy<Value = Value> + 'static) -> Field {
    (name, value.prop_map(Some).boxed())
}

fn object(fields: Vec<Field>) -> BoxedStrategy<Value> {
    let (names, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    let object = move |values: Vec<Option<Value>>| {
        let fields = names.iter().zip(values);
        let fields = fields.filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
        Value::Object(fields.collect::<Map<_, _>>())
    };
    values.prop_map(object).boxed()
}
