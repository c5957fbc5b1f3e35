//! `docs/CONFIG.md` names every field of every kind, and no other; its examples load.
//!
//! Serde itself says which fields a struct has, in the error about one that it has not.

use crate::kind::Kind;
use crate::wire::{
    Authorization, AuthorizationPolicySpec, AuthorizationRule, BackendRef, Breaker, Budget,
    Condition, Connections, Document, Endpoints, From, GrpcRouteSpec, HeaderMatch, Keepalive,
    Limits, Match, MeshSpec, Metadata, Method, MethodMatch, Operation, OutlierDetection, RateLimit,
    Reference, Registration, Retry, Rule, ServiceSpec, Source, StaticEndpoint, To, Tracing,
    TrafficPolicySpec,
};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../docs/CONFIG.md");

/// The fields of a struct, each behind the path of the struct.
fn fields<T: DeserializeOwned>(path: &str) -> Vec<String> {
    let error = serde_json::from_str::<T>(r#"{ "no such field": 0 }"#).err();
    let error = error.expect("every struct is strict").to_string();
    let (_, expected) = error.split_once("expected").expect("a list of the fields");
    let names = expected.split('`').skip(1).step_by(2);
    names.map(|name| format!("{path}{name}")).collect()
}

fn of_every_kind() -> Vec<String> {
    [
        fields::<Document<MeshSpec>>(""),
        fields::<Metadata>("metadata."),
    ]
    .concat()
}

fn of_services() -> Vec<String> {
    [
        fields::<ServiceSpec>("spec."),
        fields::<Endpoints>("spec.endpoints."),
        fields::<StaticEndpoint>("spec.endpoints.static[]."),
    ]
    .concat()
}

fn of_policies() -> Vec<String> {
    [
        fields::<TrafficPolicySpec>("spec."),
        fields::<Reference>("spec.targetRefs[]."),
        fields::<Retry>("spec.retry."),
        fields::<Budget>("spec.retry.budget."),
        fields::<Breaker>("spec.breaker."),
        fields::<OutlierDetection>("spec.outlierDetection."),
        fields::<Limits>("spec.limits."),
        fields::<RateLimit>("spec.rateLimits[]."),
        fields::<Method>("spec.methods[]."),
    ]
    .concat()
}

fn of_authorizations() -> Vec<String> {
    let rule = "spec.rules[].";
    [
        fields::<AuthorizationPolicySpec>("spec."),
        fields::<Reference>("spec.targetRefs[]."),
        fields::<AuthorizationRule>(rule),
        fields::<From>(&format!("{rule}from[].")),
        fields::<Source>(&format!("{rule}from[].source.")),
        fields::<To>(&format!("{rule}to[].")),
        fields::<Operation>(&format!("{rule}to[].operation.")),
        fields::<Condition>(&format!("{rule}when[].")),
    ]
    .concat()
}

fn of_meshes() -> Vec<String> {
    [
        fields::<MeshSpec>("spec."),
        fields::<Tracing>("spec.tracing."),
        fields::<Registration>("spec.registration."),
        fields::<Connections>("spec.connections."),
        fields::<Authorization>("spec.authorization."),
        fields::<Keepalive>("spec.connections.keepalive."),
        fields::<Keepalive>("spec.connections.foreignKeepalive."),
    ]
    .concat()
}

fn of_routes() -> Vec<String> {
    let matched = "spec.rules[].matches[].";
    [
        fields::<GrpcRouteSpec>("spec."),
        fields::<Reference>("spec.parentRefs[]."),
        fields::<Rule>("spec.rules[]."),
        fields::<Match>(matched),
        fields::<MethodMatch>(&format!("{matched}method.")),
        fields::<HeaderMatch>(&format!("{matched}headers[].")),
        fields::<BackendRef>("spec.rules[].backendRefs[]."),
    ]
    .concat()
}

/// The lines under a heading, up to the next of its level or above.
fn section<'p>(page: &'p str, heading: &str) -> &'p str {
    let start = page
        .find(heading)
        .unwrap_or_else(|| panic!("no `{heading}`"));
    let level = heading.split(' ').next().unwrap_or_default();
    let section = &page[start + heading.len()..];
    let above = (1..=level.len()).map(|depth| format!("\n{} ", "#".repeat(depth)));
    let end = above.filter_map(|next| section.find(&next)).min();
    end.map_or(section, |end| &section[..end])
}

fn documented(heading: &str) -> BTreeSet<String> {
    let rows = section(PAGE, heading).lines();
    let names = rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next());
    names.map(str::to_owned).collect()
}

#[test]
fn every_field_is_documented_and_nothing_else() {
    let kinds = [
        ("## Every kind\n", of_every_kind()),
        ("## Service\n", of_services()),
        ("## TrafficPolicy\n", of_policies()),
        ("## AuthorizationPolicy\n", of_authorizations()),
        ("## GRPCRoute\n", of_routes()),
        ("## Mesh\n", of_meshes()),
    ];
    for (heading, fields) in kinds {
        let fields: BTreeSet<String> = fields.into_iter().collect();
        assert_eq!(documented(heading), fields, "{heading}");
    }
}

#[test]
fn every_kind_is_in_the_row_of_kinds() {
    let mut rows = section(PAGE, "## Every kind\n").lines();
    let row = rows.find(|row| row.starts_with("| `kind` "));
    for kind in Kind::ALL {
        let name = format!("`{}`", kind.name());
        assert!(row.is_some_and(|row| row.contains(&name)), "{name}");
    }
}

#[test]
fn the_examples_of_the_page_are_one_good_configuration() {
    let page = section(PAGE, "# Documents\n");
    let blocks = page.split("```yaml\n").skip(1);
    let examples: Vec<&str> = blocks
        .filter_map(|block| block.split("```").next())
        .collect();
    let files: Vec<(&str, &str)> = examples
        .iter()
        .map(|example| ("example", *example))
        .collect();
    assert_eq!(files.len(), 5);
    let loaded = crate::load(&files);
    assert!(loaded.is_ok(), "{loaded:?}");
}
