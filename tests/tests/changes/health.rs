//! When an endpoint is left alone: one that is out already comes back by the new rules.

use std::net::SocketAddr;
use std::time::Duration;

use crate::bed::{Bed, GET, SECOND};
use crate::case::{Case, policy, service};

/// A breaker that nothing opens but what a case says.
const DEAF: &str = "minCalls: 1000000, consecutiveFailures: 0";

/// More is a loop without an end.
const CALLS_MAX: usize = 1_000;

/// Two applications in plaintext.
fn pair(spec: &str) -> String {
    service("orders", "", "none", &["127.0.0.1:2000", "127.0.0.1:2001"]) + &policy(spec)
}

fn breaker(fields: &str) -> String {
    format!("retry: {{ attempts: 1 }}, breaker: {{ {fields} }}")
}

fn outlier(fields: &str) -> String {
    format!(
        "{}, outlierDetection: {{ {fields}, maxEjectionPercent: 50 }}",
        breaker(DEAF)
    )
}

/// Breaker rules for two endpoints.
fn rules(fields: &'static [&'static str], [before, after]: [&str; 2]) -> Case {
    Case::new(fields, pair(&breaker(before)), pair(&breaker(after)))
}

/// The endpoint that is out, or has been.
fn out(bed: &Bed) -> Option<SocketAddr> {
    let mut endpoints = bed.endpoints().into_iter();
    endpoints.find(|it| it.out).map(|it| it.address)
}

/// As many calls as it takes until so many were at one endpoint, or one is out; all of them get this
/// status.
fn at_one(bed: &mut Bed, status: &'static str, times: usize) {
    let mut left = times;
    for _ in 0..CALLS_MAX {
        if left == 0 || out(bed).is_some() {
            return;
        }
        let record = bed.call_for(status, GET);
        let address = record.endpoint.map(|endpoint| endpoint.port());
        left -= usize::from(address == Some(2_000));
    }
    panic!("one endpoint gets no calls");
}

fn fail(bed: &mut Bed, times: usize) {
    at_one(bed, "14", times);
}

fn opens_with_one_more(bed: &mut Bed) -> bool {
    let before = out(bed);
    fail(bed, 1);
    before.is_none() && out(bed).is_some()
}

/// A call that goes well, but at the endpoint that is watched. `true`: it went there.
fn try_it(bed: &mut Bed, status: &'static str) -> bool {
    bed.begin("orders", GET, &[]);
    let there = bed.busy();
    let watched = *bed.watched.get_or_insert(there.expect("a call runs"));
    let is_there = there == Some(watched);
    bed.answer(&|_| if is_there { status } else { "0" });
    bed.advance(Duration::from_millis(5));
    is_there
}

/// One endpoint fails until it is out, the other one does well.
fn one_is_out(bed: &mut Bed) {
    let mut calls = 0..CALLS_MAX;
    while out(bed).is_none() && calls.next().is_some() {
        try_it(bed, "14");
    }
    assert_eq!(out(bed), bed.watched);
}

/// Does the endpoint that was out get a call again?
fn is_back(bed: &mut Bed) -> bool {
    (0..200).any(|_| try_it(bed, "0"))
}

pub fn cases() -> Vec<Case> {
    [breakers(), pauses(), ejections()].concat()
}

fn breakers() -> Vec<Case> {
    let rate = |more: &str| format!("consecutiveFailures: 0, {more}");
    vec![
        rules(
            &["spec.breaker.consecutiveFailures"],
            [DEAF, "minCalls: 1000000, consecutiveFailures: 3"],
        )
        .arrange(|bed| fail(bed, 5))
        .shows(opens_with_one_more),
        rules(
            &["spec.breaker.failurePercent"],
            [
                &rate("failurePercent: 100, minCalls: 5"),
                &rate("failurePercent: 10, minCalls: 5"),
            ],
        )
        .arrange(|bed| {
            at_one(bed, "0", 10);
            fail(bed, 5);
        })
        .shows(opens_with_one_more),
        rules(
            &["spec.breaker.minCalls"],
            [&rate("minCalls: 1000"), &rate("minCalls: 5")],
        )
        .arrange(|bed| fail(bed, 8))
        .shows(opens_with_one_more),
        // Calls are counted anew over the new time.
        rules(
            &["spec.breaker.window"],
            [
                &rate("minCalls: 5, window: 1s"),
                &rate("minCalls: 5, window: 1h"),
            ],
        )
        .arrange(|bed| fail(bed, 2))
        .shows(|bed| {
            fail(bed, 3);
            bed.advance(3 * SECOND);
            fail(bed, 3);
            out(bed).is_some()
        }),
    ]
}

fn pauses() -> Vec<Case> {
    let of = |more: &str| pair(&breaker(&format!("consecutiveFailures: 3, {more}")));
    vec![
        Case::new(
            &["spec.breaker.openTime"],
            of("openTime: 1h, maxOpenTime: 1h"),
            of("openTime: 500ms, maxOpenTime: 1h"),
        )
        .arrange(one_is_out)
        .shows(is_back),
        Case::new(
            &["spec.breaker.maxOpenTime"],
            of("openTime: 1h, maxOpenTime: 1h"),
            of("openTime: 500ms, maxOpenTime: 500ms"),
        )
        .arrange(one_is_out)
        .shows(is_back),
    ]
}

fn ejections() -> Vec<Case> {
    let long = "consecutiveFailures: 3, baseEjectionTime: 1h";
    vec![
        // The whole policy is gone.
        Case::new(
            &["spec.outlierDetection.baseEjectionTime"],
            pair(&outlier(long)),
            pair(&breaker(DEAF)),
        )
        .arrange(one_is_out)
        .shows(is_back),
        Case::new(
            &["spec.outlierDetection.baseEjectionTime"],
            pair(&outlier(long)),
            pair(&outlier("consecutiveFailures: 3, baseEjectionTime: 500ms")),
        )
        .arrange(one_is_out)
        .shows(is_back),
        Case::new(
            &["spec.outlierDetection.maxEjectionPercent"],
            pair(&outlier(long)),
            pair(&outlier(long).replace("Percent: 50", "Percent: 0")),
        )
        .arrange(one_is_out)
        .shows(is_back),
        Case::new(
            &["spec.outlierDetection.consecutiveFailures"],
            pair(&outlier("consecutiveFailures: 1000")),
            pair(&outlier("consecutiveFailures: 3")),
        )
        .arrange(|bed| fail(bed, 6))
        .shows(opens_with_one_more),
    ]
}
