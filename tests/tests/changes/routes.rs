//! Where calls go: the next call goes where the documents say now.

use outrider_engine::Outcome;

use crate::bed::{Bed, GET};
use crate::case::{Case, mesh, orders, plain, service};

const NEXT: &str = "orders-next";

/// `orders` at the first application, `orders-next` and `orders-last` at the second.
fn services() -> String {
    let next = |name: &str, metadata: &str| service(name, metadata, "none", &["127.0.0.1:2001"]);
    plain() + &next(NEXT, "") + &next("orders-last", "namespace: depot")
}

/// A GRPCRoute of `parent` with these rules.
fn route_of(parent: &str, rules: &str) -> String {
    services()
        + &format!(
            "---\napiVersion: gateway.networking.k8s.io/v1\nkind: GRPCRoute\nmetadata: {{ name: canary }}\n\
             spec: {{ parentRefs: [ {parent} ], rules: [ {rules} ] }}\n"
        )
}

fn route(rules: &str) -> String {
    route_of("{ kind: Service, name: orders }", rules)
}

/// A rule that leads calls that it matches to the next version, and one for the rest.
fn canary(matched: &str) -> String {
    route(&format!(
        "{{ matches: [ {matched} ], backendRefs: [ {{ name: {NEXT} }} ] }}, {{ backendRefs: [ {{ name: orders }} ] }}"
    ))
}

fn to(backends: &str) -> String {
    route(&format!("{{ backendRefs: [ {backends} ] }}"))
}

fn cluster(bed: &mut Bed) -> String {
    let canary = [("x-canary", "yes")];
    let record = bed.call_with("orders", GET, &canary, &|_| "0");
    record.cluster.as_deref().unwrap_or_default().to_owned()
}

fn goes_next(bed: &mut Bed) -> bool {
    cluster(bed) == NEXT
}

pub fn cases() -> Vec<Case> {
    [of_services(), of_routes(), of_matches(), of_backends()].concat()
}

fn goes_well(bed: &mut Bed, authority: &str, path: &str) -> bool {
    let record = bed.call(authority, path);
    (record.outcome, record.code.name()) == (Outcome::Answered, "OK")
}

fn of_services() -> Vec<Case> {
    let at = |address: &str| service("orders", "", "none", &[address]);
    // Its application listens at the IPv4 address of this name.
    let family = |family: &str| {
        let said = format!("endpoints: {{ addressFamily: {family},");
        at("localhost:2000").replace("endpoints: {", &said)
    };
    let implemented = |more: &str| plain().replace("[shop.v1.Orders]", more);
    let sampled =
        |percent: u32| plain() + &mesh(&format!("tracing: {{ samplePercent: {percent} }}"));
    let at_the_second = |bed: &mut Bed| {
        let record = bed.call("orders", GET);
        record
            .endpoint
            .is_some_and(|address| address.port() == 2_001)
    };
    vec![
        Case::new(
            &["metadata.name"],
            plain(),
            service("purchases", "", "none", &["127.0.0.1:2000"]),
        )
        .shows(|bed| goes_well(bed, "purchases", GET)),
        // Another identity, which the instances do not have.
        Case::new(
            &["metadata.namespace"],
            orders(),
            orders().replace("name: orders,", "name: orders, namespace: depot"),
        )
        .arrange(|bed| drop(bed.call("orders", GET)))
        .shows(|bed| !goes_well(bed, "orders", GET)),
        Case::new(
            &["spec.grpcServices"],
            implemented("[shop.v1.Orders]"),
            implemented("[shop.v1.Orders, shop.v1.Audit]"),
        )
        .shows(|bed| goes_well(bed, "localhost", "/shop.v1.Audit/List")),
        // Its sidecar speaks to nobody in plaintext.
        Case::new(
            &["spec.tls"],
            orders().replace("tls: mesh", "tls: none"),
            orders(),
        )
        .shows(|bed| goes_well(bed, "orders", GET)),
        Case::new(
            &["spec.endpoints.static", "spec.endpoints.static[].address"],
            at("127.0.0.1:2000"),
            at("127.0.0.1:2001"),
        )
        .arrange(|bed| drop(bed.call("orders", GET)))
        .shows(at_the_second),
        Case::new(
            &["spec.endpoints.addressFamily"],
            family("ipv6"),
            family("ipv4"),
        )
        .shows(|bed| goes_well(bed, "orders", GET)),
        Case::new(&["spec.tracing.samplePercent"], sampled(0), sampled(100))
            .shows(|bed| bed.call("orders", GET).trace.sampled()),
    ]
}

fn of_routes() -> Vec<Case> {
    let next = format!("{{ backendRefs: [ {{ name: {NEXT} }} ] }}");
    let of = |parent: &str| route_of(parent, &next);
    let named = |name: &str| {
        route(&format!(
            "{{ name: {name}, backendRefs: [ {{ name: orders }} ] }}"
        ))
    };
    vec![
        Case::new(
            &[
                "spec.parentRefs",
                "spec.parentRefs[].name",
                "spec.parentRefs[].namespace",
            ],
            of("{ kind: Service, name: orders-last, namespace: depot }"),
            of("{ kind: Service, name: orders, namespace: default }"),
        )
        .shows(goes_next),
        Case::new(&["spec.rules"], to("{ name: orders }"), route(&next)).shows(goes_next),
        Case::new(&["spec.rules[].name"], named("first"), named("second")).shows(|bed| {
            let record = bed.call("orders", GET);
            record.route.is_some_and(|name| name.contains("second"))
        }),
    ]
}

fn of_matches() -> Vec<Case> {
    let method = |method: &str| canary(&format!("{{ method: {{ {method} }} }}"));
    let header = |header: &str| canary(&format!("{{ headers: [ {header} ] }}"));
    let yes = "{ name: x-canary, value: \"yes\" }";
    let both = |service: &str| {
        let two = plain().replace("[shop.v1.Orders]", "[shop.v1.Orders, shop.v1.Audit]");
        method(&format!("service: {service}")).replace(&plain(), &two)
    };
    vec![
        Case::new(
            &["spec.rules[].matches"],
            method("service: shop.v1.Orders, method: Put"),
            canary(&format!(
                "{{ method: {{ service: shop.v1.Orders, method: Put }} }}, {{ headers: [ {yes} ] }}"
            )),
        )
        .shows(goes_next),
        Case::new(
            &["spec.rules[].matches[].method.service"],
            both("shop.v1.Audit"),
            both("shop.v1.Orders"),
        )
        .shows(goes_next),
        Case::new(
            &["spec.rules[].matches[].method.method"],
            method("service: shop.v1.Orders, method: Put"),
            method("service: shop.v1.Orders, method: Get"),
        )
        .shows(goes_next),
        Case::new(
            &[
                "spec.rules[].matches[].headers",
                "spec.rules[].matches[].headers[].name",
            ],
            header("{ name: x-other, value: \"yes\" }"),
            header(yes),
        )
        .shows(goes_next),
        Case::new(
            &["spec.rules[].matches[].headers[].value"],
            header("{ name: x-canary, value: \"no\" }"),
            header(yes),
        )
        .shows(goes_next),
    ]
}

fn of_backends() -> Vec<Case> {
    let weighted = |old: u32, new: u32| {
        to(&format!(
            "{{ name: orders, weight: {old} }}, {{ name: {NEXT}, weight: {new} }}"
        ))
    };
    vec![
        Case::new(
            &[
                "spec.rules[].backendRefs",
                "spec.rules[].backendRefs[].name",
            ],
            to("{ name: orders }"),
            to(&format!("{{ name: {NEXT} }}")),
        )
        .shows(goes_next),
        Case::new(
            &["spec.rules[].backendRefs[].namespace"],
            to("{ name: orders }"),
            to("{ name: orders-last, namespace: depot }"),
        )
        .shows(|bed| cluster(bed) == "orders-last"),
        Case::new(
            &["spec.rules[].backendRefs[].weight"],
            weighted(1, 0),
            weighted(0, 1),
        )
        .shows(goes_next),
    ]
}
