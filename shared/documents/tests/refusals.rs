//! Documents that are refused, with the text the operator reads.

use outrider_documents::load;

const SERVICE: &str = "\
apiVersion: outrider.dev/v1
kind: Service
metadata: { name: orders }
spec:
  grpcServices: [shop.v1.Orders]
  endpoints: { static: [ { address: \"127.0.0.1:9001\" } ] }
";

fn policy(spec: &str) -> String {
    format!(
        "---\napiVersion: outrider.dev/v1\nkind: TrafficPolicy\nmetadata: {{ name: orders }}\n\
         spec:\n  targetRefs: [ {{ kind: Service, name: orders }} ]\n{spec}\n"
    )
}

fn route(spec: &str) -> String {
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: GRPCRoute\nmetadata: {{ name: canary }}\n\
         spec:\n  parentRefs: [ {{ group: core, kind: Service, name: orders }} ]\n{spec}\n"
    )
}

/// All errors of a file beside the Service above, as `line:column message`.
fn problems(text: &str) -> Vec<String> {
    let errors = load(&[("service.yaml", SERVICE), ("f.yaml", text)]).err();
    let text = |error: &outrider_documents::DocumentError| {
        assert_eq!(error.file, "f.yaml");
        format!("{}:{} {}", error.line, error.column, error.message)
    };
    errors.unwrap_or_default().iter().map(text).collect()
}

#[test]
fn an_error_shows_file_line_column_and_a_caret() {
    let text = policy("  timeout: 2s\n  retry: { perTryTimeout: 3s }");
    let errors = load(&[("service.yaml", SERVICE), ("mesh/orders.yaml", &text)]).unwrap_err();
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts.join("\n"),
        "\
error: `perTryTimeout` of 3s is longer than the `timeout` of 2s for the whole call
 --> mesh/orders.yaml:8:27
  |
8 |   retry: { perTryTimeout: 3s }
  |                           ^"
    );
}

#[test]
fn what_is_wrong_with_a_policy_is_said_where_it_is() {
    let cases = [
        (
            "  timeuot: 2s",
            "7:3 unknown field `timeuot`, expected one of targetRefs, timeout, connectTimeout, maxConnectionAge, maxConnectionsPerEndpoint, waitForReady, retry, breaker, outlierDetection, limits, rateLimits, methods",
        ),
        (
            "  timeout: 2",
            "7:12 `2` is no duration: write whole numbers with units, such as 500ms, 2s or 1m30s",
        ),
        (
            "  timeout: 0s",
            "7:12 `0s` is no time at all: leave the field out",
        ),
        ("  retry: { attempts: 6 }", "7:22 6 is out of range: 1 to 5"),
        ("  retry: { attempts: 0 }", "7:22 0 is out of range: 1 to 5"),
        (
            "  retry: { attempts: many }",
            "7:22 expected a number of type u32",
        ),
        (
            "  retry: { attempts: 1, perTryTimeout: 1s }",
            "7:40 `perTryTimeout` with one attempt: write `timeout`, or allow more attempts",
        ),
        (
            "  retry: { on: [UNAVAILABLE, OK] }",
            "7:30 `OK` is no gRPC code to retry on: CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS, UNAUTHENTICATED",
        ),
        (
            "  retry: { budget: { percent: 101 } }",
            "7:31 101 is out of range: 0 to 100",
        ),
        (
            "  outlierDetection: { maxEjectionPercent: 200 }",
            "7:43 200 is out of range: 0 to 100",
        ),
        (
            "  breaker: { openTime: 5s, maxOpenTime: 1s }",
            "7:41 `maxOpenTime` of 1s is shorter than the `openTime` of 5s",
        ),
        (
            "  breaker: { openTime: 2m }",
            "7:24 `maxOpenTime` of 60s is shorter than the `openTime` of 120s",
        ),
        (
            "  breaker: { maxOpenTime: 999ms }",
            "7:27 `maxOpenTime` of 999ms is shorter than the `openTime` of 1s",
        ),
        ("  breaker: { openTime: 60s }", ""),
        ("  breaker: { maxOpenTime: 1s }", ""),
        (
            "  breaker: { openTime: 2m, maxOpenTime: 0s }",
            "7:41 `0s` is no time at all: leave the field out",
        ),
        (
            "  limits: { calls: 0 }",
            "7:20 0 is out of range: 1 to 1000000",
        ),
    ];
    for (spec, expected) in cases {
        assert_eq!(problems(&policy(spec)).join("; "), expected, "{spec}");
    }
}

#[test]
fn what_is_wrong_with_a_method_is_said_where_it_is() {
    let cases = [
        (
            "  methods: [ { name: shop.v1.Orders.Get } ]",
            "7:22 `shop.v1.Orders.Get` is no method: write service/method, such as shop.v1.Orders/Get",
        ),
        (
            "  methods: [ { name: shop.v1.Order/Get } ]",
            "7:22 Service `orders` does not list `shop.v1.Order` in its grpcServices",
        ),
        (
            "  methods: [ { name: shop.v1.Orders/Get }, { name: shop.v1.Orders/Get } ]",
            "7:52 `shop.v1.Orders/Get` is already at f.yaml:7",
        ),
        (
            "  timeout: 1s\n  methods: [ { name: shop.v1.Orders/Get, unary: true, perTryTimeout: 2s } ]",
            "8:70 `perTryTimeout` of 2s is longer than the `timeout` of 1s for the whole call",
        ),
        (
            "  retry: { perTryTimeout: 2s }\n  methods: [ { name: shop.v1.Orders/Get, unary: true, timeout: 1s } ]",
            "8:64 `perTryTimeout` of 2s is longer than the `timeout` of 1s for the whole call",
        ),
        (
            "  retry: { attempts: 1 }\n  methods: [ { name: shop.v1.Orders/Get, perTryTimeout: 1s } ]",
            "8:57 `perTryTimeout` with one attempt: write `timeout`, or allow more attempts",
        ),
        (
            "  methods: [ { name: shop.v1.Orders/Get, unary: yes } ]",
            "7:49 invalid boolean (true or false expected)",
        ),
    ];
    for (spec, expected) in cases {
        assert_eq!(problems(&policy(spec)).join("; "), expected, "{spec}");
    }
}

#[test]
fn what_is_wrong_with_a_route_is_said_where_it_is() {
    let cases = [
        ("  rules: []", "7:10 `rules` has 0 entries: write 1 to 16"),
        (
            "  rules: [ { backendRefs: [] } ]",
            "7:27 `backendRefs` has 0 entries: write 1 to 16",
        ),
        (
            "  rules: [ { backendRefs: [ { name: orders, weight: 0 } ] } ]",
            "7:27 no backend has a weight above zero: every call would fail",
        ),
        (
            "  rules: [ { backendRefs: [ { name: nobody } ] } ]",
            "7:37 there is no Service `nobody` in namespace `default`",
        ),
        (
            "  rules: [ { backendRefs: [ { name: orders, port: 80 } ] } ]",
            "7:51 `port` is not enforced yet: leave it out",
        ),
        (
            "  rules: [ { backendRefs: [ { name: orders } ], filters: [] } ]",
            "7:58 `filters` is not enforced yet: leave it out",
        ),
        (
            "  rules: [ { backendRefs: [ { name: orders } ], matches: [ { method: { type: RegularExpression, service: shop.v1.Orders } } ] } ]",
            "7:78 RegularExpression is not enforced yet: write Exact, one match for each value",
        ),
        (
            "  rules: [ { backendRefs: [ { name: orders } ], matches: [ { method: { method: Get } } ] } ]",
            "7:70 a match without the full name of a `service` is not enforced yet",
        ),
        (
            "  rules: [ { backendRefs: [ { name: orders } ], matches: [ { headers: [ { name: X, value: a }, { name: x, value: b } ] } ] } ]",
            "7:104 `x` is matched twice: both can never hold",
        ),
        (
            "  hostnames: [a]\n  rules: [ { backendRefs: [ { name: orders } ] } ]",
            "7:14 `hostnames` is not enforced yet: leave it out",
        ),
    ];
    for (spec, expected) in cases {
        assert_eq!(problems(&route(spec)).join("; "), expected, "{spec}");
    }
}

#[test]
fn what_is_wrong_with_a_service_is_said_where_it_is() {
    let service = |metadata: &str, spec: &str| {
        format!(
            "apiVersion: outrider.dev/v1\nkind: Service\nmetadata: {{ {metadata} }}\nspec: {{ {spec} }}\n"
        )
    };
    let good = "endpoints: { static: [ { address: \"a:1\" } ] }";
    let cases = [
        (service("name: orders", good), "3:19 Service `orders` is already at service.yaml:3; a name is used once, in all namespaces together"),
        (service("name: Orders", good), "3:19 `Orders` is no name: write lower-case letters, digits and inner hyphens, at most 63"),
        (service("name: a", &format!("grpcServices: [shop.v1.Orders], {good}")), "4:24 `shop.v1.Orders` is already claimed by Service `orders` at service.yaml:5"),
        (service("name: a", &format!("grpcServices: [grpc.health.v1.Health], {good}")), "4:24 `grpc.health.v1.Health` is implemented by every server and cannot be claimed"),
        (service("name: a", &format!("tls: off, {good}")), "4:14 unknown variant `off`, expected one of mesh, none"),
        (service("name: a", "endpoints: { static: [] }"), "4:30 `static` has 0 entries: write 1 to 10000"),
        (service("name: a", "endpoints: { static: [ { address: a }, { address: \"a:1\" }, { address: \"A:1\" } ] }"), "4:43 `a` is no address: write host:port, such as 127.0.0.1:9001; 4:79 `A:1` is listed twice"),
        (
            service("name: localhost", good),
            "3:19 `localhost` is this machine and cannot be a service",
        ),
        (service("name: a", ""), ""),
        (service("name: a", "endpoints: { registered: {} }"), ""),
        (service("name: a", "tls: none"), "4:14 `tls: none` is for endpoints that are `static`: those that register are reached by mutual TLS alone; leave `tls` out, or write the endpoints"),
        (service("name: a", "tls: none, endpoints: { registered: {} }"), "4:14 `tls: none` is for endpoints that are `static`: those that register are reached by mutual TLS alone; leave `tls` out, or write the endpoints"),
        (service("name: a", "tls: mesh, endpoints: { registered: {} }"), ""),
        (service("name: a", &format!("tls: none, {good}")), ""),
        (service("name: a", "endpoints: { addressFamily: ipv4, static: [ { address: \"a:1\" } ] }"), ""),
        (service("name: a", "endpoints: { addressFamily: ipv4, static: [ { address: \"10.0.0.1:1\" } ] }"), "4:37 `addressFamily` is of host names, and `static` has none"),
        (service("name: a", "endpoints: { registered: {}, addressFamily: ipv4 }"), "4:53 `addressFamily` is of the names in `static`: what registers is an address"),
        (service("name: a", "endpoints: { static: [ { address: \"0x7f.1:1\" } ] }"), "4:43 `0x7f.1:1` is no address: write host:port, such as 127.0.0.1:9001"),
        (service("name: a", "endpoints: {}"), "4:20 `endpoints` says nothing: write `registered: {}` or `static`"),
        (service("name: a", "endpoints: { registered: {}, static: [ { address: \"a:1\" } ] }"), "4:34 endpoints are either `static` or `registered`, not both"),
        ("kind: Service\n".to_owned(), "1:1 a document needs `apiVersion` and `kind`"),
        ("apiVersion: v1\nkind: Service\n".to_owned(), "2:7 Service has `apiVersion: outrider.dev/v1`, not `v1`"),
        ("apiVersion: outrider.dev/v1\nkind: Gateway\n".to_owned(), "2:7 unknown kind `Gateway`: Mesh, Service, TrafficPolicy, AuthorizationPolicy or GRPCRoute"),
        ("apiVersion: outrider.dev/v1\nkind: RequestAuthentication\n".to_owned(), "2:7 kind RequestAuthentication is not enforced yet"),
        ("apiVersion: outrider.dev/v1\nkind: Mesh\nmetadata: { name: m }\nspec: { trustDomain: Mesh }\n---\napiVersion: outrider.dev/v1\nkind: Mesh\nmetadata: { name: n }\nspec: {}\n".to_owned(), "4:22 `Mesh` is no trust domain: write lower-case letters, digits, dots, hyphens and underscores; 8:19 there is another Mesh at f.yaml:3"),
        ("apiVersion: outrider.dev/v1\nkind: Mesh\nmetadata: { name: m }\nspec: { tracing: { samplePercent: 100.1 } }\n".to_owned(), "4:35 100.1 is out of range: 0 to 100"),
        ("apiVersion: outrider.dev/v1\nkind: Mesh\nmetadata: { name: m }\nspec: { tracing: { samplePercent: .nan } }\n".to_owned(), "4:35 value `.nan` is not a finite number"),
        ("apiVersion: outrider.dev/v1\nkind: Mesh\nmetadata: { name: m }\nspec: { connections: { idleTimeout: 0s, stalledTimeout: 0s, foreignKeepalive: { interval: 9s } } }\n".to_owned(), "4:57 `0s` is no time at all: leave the field out; 4:91 `9s` is too short: at least 10s"),
    ];
    for (text, expected) in cases {
        assert_eq!(problems(&text).join("; "), expected, "{text}");
    }
}

#[test]
fn two_policies_for_one_service_are_refused_at_the_second() {
    let other =
        policy("  timeout: 3s").replace("metadata: { name: orders }", "metadata: { name: b }");
    assert_eq!(
        problems(&(policy("  timeout: 2s") + &other)),
        ["13:40 Service `orders` has a TrafficPolicy already, at f.yaml:6"]
    );
}

#[test]
fn a_name_is_given_once_in_a_kind_and_a_namespace() {
    let rules = "  rules: [ { backendRefs: [ { name: orders } ] } ]";
    let elsewhere = route(rules).replace("name: canary", "name: canary, namespace: other");
    let elsewhere = elsewhere.replace(
        "kind: Service, name: orders",
        "kind: Service, name: orders, namespace: default",
    );
    let elsewhere = elsewhere.replace("{ name: orders }", "{ name: orders, namespace: default }");
    let same_name_as_the_route =
        policy("  timeout: 2s").replace("metadata: { name: orders }", "metadata: { name: canary }");
    let cases = [
        (
            route(rules) + &route(rules),
            "11:19 GRPCRoute `canary` of namespace `default` is already at f.yaml:4",
        ),
        (
            policy("") + &policy(""),
            "11:19 TrafficPolicy `orders` of namespace `default` is already at f.yaml:4; 13:40 Service `orders` has a TrafficPolicy already, at f.yaml:6",
        ),
        (route(rules) + &elsewhere, ""),
        (route(rules) + &same_name_as_the_route, ""),
    ];
    for (text, expected) in cases {
        assert_eq!(problems(&text).join("; "), expected, "{text}");
    }
}

#[test]
fn routes_times_methods_are_bounded() {
    let methods: Vec<String> = (0..700)
        .map(|index| format!("{{ name: shop.v1.Orders/M{index} }}"))
        .collect();
    let rule = "    - backendRefs: [ { name: orders } ]\n";
    let text = policy(&format!("  methods: [ {} ]", methods.join(", ")))
        + &route(&format!("  rules:\n{}", rule.repeat(15)));
    assert_eq!(
        problems(&text),
        ["11:19 Service `orders` has more than 10000 routes: 15 matches for 700 methods"]
    );
}

#[test]
fn all_errors_of_all_files_are_reported_at_once() {
    let broken = policy("  timeout: 1.5s\n  retry: { attempts: 9 }");
    let errors = load(&[("b.yaml", &broken), ("a.yaml", "kind: [\n---\nkind: X\n")]).unwrap_err();
    let places: Vec<String> = errors
        .iter()
        .map(|error| format!("{}:{} {}", error.file, error.line, error.message))
        .collect();
    assert_eq!(
        places,
        [
            "b.yaml:7 `1.5s` is no duration: write whole numbers with units, such as 500ms, 2s or 1m30s",
            "b.yaml:8 9 is out of range: 1 to 5",
            "a.yaml:1 expected string scalar",
            "a.yaml:3 a document needs `apiVersion` and `kind`",
        ]
    );
}

#[test]
fn a_reference_is_not_blamed_when_what_it_names_could_not_be_read() {
    let text = SERVICE.replace("spec:", "spec: {") + &policy("  timeout: 2s");
    let errors = load(&[("f.yaml", &text)]).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
}

#[test]
fn what_is_wrong_with_a_rate_limit_is_said_where_it_is() {
    let cases = [
        ("name: a, limit: 100", ""),
        (
            "name: a, limit: 100, algorithm: leakyBucket, maxWait: 0s",
            "",
        ),
        ("name: a, limit: 0", "7:35 0 is out of range: 1 to 1000000"),
        (
            "name: A, limit: 1",
            "7:25 `A` is no name: write lower-case letters, digits and inner hyphens, at most 63",
        ),
        (
            "name: a, limit: 1, period: 10ms",
            "7:46 10ms is out of range: 1s to 3600s",
        ),
        (
            "name: a, limit: 1, algorithm: fixedWindow, burst: 2",
            "7:69 only a token bucket has a burst: leave it out",
        ),
        (
            "name: a, limit: 1, maxWait: 1s",
            "7:47 calls wait for a leaky bucket only: leave it out",
        ),
        (
            "name: a, limit: 1, header: x-tenant",
            "7:46 a `header` counts with `per: header` only: write it, or leave `header` out",
        ),
        (
            "name: a, limit: 1, per: header",
            "7:43 `` is no name of a header in lower case",
        ),
        (
            "name: a, limit: 20000, algorithm: slidingWindow",
            "7:35 20000 is too many for a sliding window, which keeps the time of each call: at most 10000",
        ),
        (
            "name: a, limit: 1 }, { name: a, limit: 2",
            "7:48 `a` is already at f.yaml:7",
        ),
    ];
    for (limit, expected) in cases {
        let spec = format!("  rateLimits: [ {{ {limit} }} ]");
        assert_eq!(problems(&policy(&spec)).join("; "), expected, "{limit}");
    }
}
