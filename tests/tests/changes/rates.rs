//! What a policy says of rate limits: the next call has it.

use outrider_engine::{CallRecord, Outcome, Reason};

use crate::bed::{Bed, GET, SECOND};
use crate::case::{Case, plain, policy};

/// Another method of `orders`.
const PLACE: &str = "/shop.v1.Orders/Place";

/// One limit, before the change and after it.
fn of(limits: [&str; 2], fields: &'static [&'static str]) -> Case {
    let [before, after] = limits.map(|limit| {
        let spec = format!("rateLimits: [ {{ {limit} }} ]");
        plain() + &policy(&spec)
    });
    Case::new(fields, before, after)
}

fn is_refused(record: &CallRecord) -> bool {
    record.outcome == Outcome::Refused(Reason::RateLimited)
}

/// Is the last one of calls to these methods refused?
fn refuses(bed: &mut Bed, paths: &[&str]) -> bool {
    let records = paths.iter().map(|path| bed.call("orders", path));
    records.last().is_some_and(|record| is_refused(&record))
}

/// Is the last one of calls with these fields refused?
fn refuses_with(bed: &mut Bed, fields: &[(&str, &str)]) -> bool {
    let call = |field| bed.call_with("orders", GET, &[field], &|_| "0");
    let records = fields.iter().copied().map(call);
    records.last().is_some_and(|record| is_refused(&record))
}

pub fn cases() -> Vec<Case> {
    [rates(), keys(), answers()].concat()
}

fn rates() -> Vec<Case> {
    let hourly = "name: a, limit: 1, period: 1h";
    let paced = "name: a, limit: 1, algorithm: leakyBucket";
    let every_second = "name: a, limit: 3600, period: 1h, burst: 1";
    let without = plain() + &policy("timeout: 1h");
    let with = plain() + &policy(&format!("rateLimits: [ {{ {hourly} }} ]"));
    vec![
        Case::new(&["spec.rateLimits"], without, with).shows(|bed| refuses(bed, &[GET, GET])),
        of(
            ["name: a, limit: 9, period: 1h", hourly],
            &["spec.rateLimits[].limit"],
        )
        .shows(|bed| refuses(bed, &[GET, GET])),
        of(
            ["name: a, limit: 1, period: 1s", hourly],
            &["spec.rateLimits[].period"],
        )
        .shows(|bed| {
            bed.call("orders", GET);
            bed.advance(SECOND);
            refuses(bed, &[GET])
        }),
        of(
            [
                &format!("{hourly}, burst: 5"),
                &format!("{hourly}, burst: 1"),
            ],
            &["spec.rateLimits[].burst"],
        )
        .shows(|bed| refuses(bed, &[GET, GET])),
        of(
            [
                "name: a, limit: 2, period: 1h",
                "name: a, limit: 2, period: 1h, algorithm: leakyBucket",
            ],
            &["spec.rateLimits[].algorithm"],
        )
        .shows(|bed| refuses(bed, &[GET, GET])),
        of(
            [
                &format!("{paced}, maxWait: 0s"),
                &format!("{paced}, maxWait: 2s"),
            ],
            &["spec.rateLimits[].maxWait"],
        )
        .shows(|bed| {
            bed.call("orders", GET);
            !bed.call("orders", GET).waited.is_zero()
        }),
        of(
            [every_second, &format!("{every_second}, warmUp: 1h")],
            &["spec.rateLimits[].warmUp"],
        )
        .shows(|bed| {
            bed.call("orders", GET);
            bed.advance(SECOND);
            refuses(bed, &[GET])
        }),
    ]
}

fn keys() -> Vec<Case> {
    let hourly = "name: a, limit: 1, period: 1h";
    let by = |header: &str| format!("{hourly}, per: header, header: {header}");
    let keys = |most: u32| format!("{}, maxKeys: {most}", by("x-a"));
    vec![
        of(
            [hourly, &format!("{hourly}, per: method")],
            &["spec.rateLimits[].per"],
        )
        .shows(|bed| !refuses(bed, &[GET, PLACE])),
        of([&by("x-b"), &by("x-a")], &["spec.rateLimits[].header"])
            .shows(|bed| !refuses_with(bed, &[("x-a", "1"), ("x-a", "2")])),
        // The third value has a place of its own or shares one with the second.
        of([&keys(2), &keys(1)], &["spec.rateLimits[].maxKeys"])
            .shows(|bed| refuses_with(bed, &[("x-a", "1"), ("x-a", "2"), ("x-a", "3")])),
    ]
}

fn answers() -> Vec<Case> {
    let hourly = "limit: 1, period: 1h";
    let shown = |yes: bool| format!("name: a, {hourly}, responseHeaders: {yes}");
    vec![
        of(
            [&format!("name: a, {hourly}"), &format!("name: b, {hourly}")],
            &["spec.rateLimits[].name"],
        )
        .shows(|bed| {
            refuses(bed, &[GET, GET]);
            let message = bed.mesh.client().field("grpc-message");
            message.is_some_and(|message| message.contains("`b`"))
        }),
        of(
            [&shown(false), &shown(true)],
            &["spec.rateLimits[].responseHeaders"],
        )
        .shows(|bed| {
            bed.call("orders", GET);
            bed.mesh.client().field("ratelimit").is_some()
        }),
    ]
}
