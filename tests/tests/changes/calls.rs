//! What a policy says of calls and of their retries: the next call has it.

use std::time::Duration;

use outrider_engine::{Outcome, Reason};

use crate::bed::{Bed, GET, SECOND};
use crate::case::{Case, orders, plain, policy, policy_for, service, unreachable};

/// `Get` is unary and idempotent, with whatever else.
fn get(more: &str) -> String {
    format!("methods: [ {{ name: shop.v1.Orders/Get, unary: true, idempotent: true, {more} }} ]")
}

fn of(policies: [&str; 2], fields: &'static [&'static str]) -> Case {
    let [before, after] = policies.map(|spec| plain() + &policy(spec));
    Case::new(fields, before, after)
}

/// The deadline that a call gets.
fn time_given(bed: &mut Bed) -> Option<Duration> {
    let record = bed.call("orders", GET);
    record
        .deadline
        .map(|deadline| deadline.since(record.started))
}

fn retries(bed: &mut Bed, status: &'static str) -> u32 {
    bed.call_for(status, GET).retries
}

pub fn cases() -> Vec<Case> {
    [times(), tries(), ceilings(), waits(), methods(), targets()].concat()
}

fn times() -> Vec<Case> {
    let [hour, second] = ["1h", "2s"].map(|time| get(&format!("timeout: {time}")));
    let (of_service, of_try) = (get(""), get("perTryTimeout: 100ms"));
    let is_cut = |bed: &mut Bed| {
        bed.begin("orders", GET, &[]);
        bed.advance(Duration::from_millis(200));
        // A cut attempt is made again, at the only endpoint.
        let server = bed.mesh.servers()[0];
        bed.mesh.world.peers[server].heads().len() == 2
    };
    vec![
        of([&hour, &second], &["spec.methods[].timeout"])
            .shows(|bed| time_given(bed) == Some(2 * SECOND)),
        of(
            [
                &format!("timeout: 1h, {of_service}"),
                &format!("timeout: 2s, {of_service}"),
            ],
            &["spec.timeout"],
        )
        .shows(|bed| time_given(bed) == Some(2 * SECOND)),
        of([&of_service, &of_try], &["spec.methods[].perTryTimeout"]).shows(is_cut),
        of(
            [
                &of_service,
                &format!("retry: {{ perTryTimeout: 100ms }}, {of_service}"),
            ],
            &["spec.retry.perTryTimeout"],
        )
        .shows(is_cut),
    ]
}

fn tries() -> Vec<Case> {
    let retry = |fields: &str| format!("retry: {{ {fields} }}, {}", get(""));
    let budget = |fields: &str| retry(&format!("budget: {{ {fields} }}"));
    vec![
        of(
            [&retry("attempts: 1"), &retry("attempts: 3")],
            &["spec.retry.attempts"],
        )
        .shows(|bed| retries(bed, "14") == 2),
        of(
            [&retry("on: [UNAVAILABLE]"), &retry("on: [ABORTED]")],
            &["spec.retry.on"],
        )
        .shows(|bed| retries(bed, "10") > 0),
        of(
            [
                &budget("percent: 100, minPerSecond: 0"),
                &budget("percent: 0, minPerSecond: 0"),
            ],
            &["spec.retry.budget.percent"],
        )
        .arrange(|bed| (0..10).for_each(|_| drop(bed.call("orders", GET))))
        .shows(|bed| retries(bed, "14") == 0),
        of(
            [
                &budget("percent: 0, minPerSecond: 0"),
                &budget("percent: 0, minPerSecond: 10"),
            ],
            &["spec.retry.budget.minPerSecond"],
        )
        .arrange(|bed| drop(bed.call("orders", GET)))
        .shows(|bed| retries(bed, "14") > 0),
    ]
}

fn is_refused(bed: &mut Bed, reason: Reason) -> bool {
    let last = bed.records().last().map(|record| record.outcome);
    last == Some(Outcome::Refused(reason))
}

fn ceilings() -> Vec<Case> {
    let limits = |fields: &str| policy(&format!("limits: {{ {fields} }}"));
    let connect = |time: &str| unreachable() + &policy(&format!("connectTimeout: {time}"));
    vec![
        Case::new(
            &["spec.limits.calls"],
            plain() + &limits("calls: 1000"),
            plain() + &limits("calls: 1"),
        )
        .arrange(|bed| {
            bed.begin("orders", GET, &[]);
        })
        .shows(|bed| {
            bed.begin("orders", GET, &[]);
            is_refused(bed, Reason::CallsLimit)
        }),
        Case::new(
            &["spec.limits.waiting"],
            unreachable() + &limits("waiting: 1000"),
            unreachable() + &limits("waiting: 0"),
        )
        .shows(|bed| {
            bed.begin("orders", GET, &[]);
            is_refused(bed, Reason::WaitingLimit)
        }),
        // The call waits for a connection that is being made already.
        Case::new(&["spec.connectTimeout"], connect("1h"), connect("100ms"))
            .arrange(|bed| {
                bed.begin("orders", GET, &[]);
            })
            .shows(|bed| bed.records().count() > 0),
    ]
}

fn waits() -> Vec<Case> {
    let nobody = service("orders", "", "none", &["127.0.0.1:9"]);
    let patient = |spec: &str| nobody.clone() + &policy(spec);
    let one = service("orders", "", "mesh", &["10.0.0.1:1000"]);
    let connections = |most: u32| {
        let spec = format!("maxConnectionsPerEndpoint: {most}");
        one.clone() + &policy(&spec)
    };
    // Nobody listens: without patience the call has failed.
    let waits = |bed: &mut Bed| {
        bed.begin("orders", GET, &[]);
        bed.advance(SECOND);
        bed.records().count() == 0
    };
    vec![
        Case::new(
            &["spec.waitForReady"],
            patient("timeout: 2h"),
            patient("timeout: 2h, waitForReady: 1h"),
        )
        .shows(waits),
        Case::new(
            &["spec.methods[].waitForReady"],
            patient("methods: [ { name: shop.v1.Orders/Get } ]"),
            patient("methods: [ { name: shop.v1.Orders/Get, waitForReady: 1h } ]"),
        )
        .shows(waits),
        // A sidecar takes a thousand streams on a connection.
        Case::new(
            &["spec.maxConnectionsPerEndpoint"],
            connections(1),
            connections(2),
        )
        .arrange(|bed| {
            (0..1_000).for_each(|_| {
                bed.begin("orders", GET, &[]);
            });
        })
        .shows(|bed| {
            bed.begin("orders", GET, &[]);
            bed.advance(SECOND);
            bed.gauges().upstream == 2
        }),
    ]
}

fn methods() -> Vec<Case> {
    let whole = |methods: &str| format!("timeout: 2s, methods: [ {methods} ]");
    let is_timed = |bed: &mut Bed| time_given(bed) == Some(2 * SECOND);
    let (get, put) = ("name: shop.v1.Orders/Get", "name: shop.v1.Orders/Put");
    vec![
        of(
            [
                &whole(&format!("{{ {put}, unary: true }}")),
                &whole(&format!(
                    "{{ {put}, unary: true }}, {{ {get}, unary: true }}"
                )),
            ],
            &["spec.methods"],
        )
        .shows(is_timed),
        of(
            [
                &whole(&format!("{{ {put}, unary: true }}")),
                &whole(&format!("{{ {get}, unary: true }}")),
            ],
            &["spec.methods[].name"],
        )
        .shows(is_timed),
        of(
            [
                &whole(&format!("{{ {get} }}")),
                &whole(&format!("{{ {get}, unary: true }}")),
            ],
            &["spec.methods[].unary"],
        )
        .shows(is_timed),
        of(
            [
                &format!("methods: [ {{ {get}, unary: true }} ]"),
                &format!("methods: [ {{ {get}, unary: true, idempotent: true }} ]"),
            ],
            &["spec.methods[].idempotent"],
        )
        .shows(|bed| retries(bed, "14") > 0),
    ]
}

/// A policy that leaves one service for another, in another namespace.
fn targets() -> Vec<Case> {
    let stock = service("stock", "namespace: depot", "none", &["127.0.0.1:2001"]);
    let services = orders() + &stock;
    let limits = "limits: { calls: 1 }";
    let at = |target: &str| services.clone() + &policy_for(target, limits);
    let fields = &[
        "spec.targetRefs",
        "spec.targetRefs[].name",
        "spec.targetRefs[].namespace",
    ];
    vec![
        Case::new(
            fields,
            at("{ kind: Service, name: stock, namespace: depot }"),
            at("{ kind: Service, name: orders, namespace: default }"),
        )
        .shows(|bed| {
            bed.begin("orders", GET, &[]);
            bed.begin("orders", GET, &[]);
            is_refused(bed, Reason::CallsLimit)
        }),
    ]
}
