//! Conditions on headers.

use outrider_policy::AuthorizationRule;

use crate::world::*;

const ALLOWED: &str = "allowed by allow[0]";
const DENIED: &str = "denied by deny[0]";
const DEFAULT: &str = "allowed by default";
const UNMATCHED: &str = "denied, no rule matches";

const GOLD: &[(&str, &str)] = &[("x-tier", "gold")];
const EMPTY: &[(&str, &str)] = &[("x-tier", "")];
const TWICE: &[(&str, &str)] = &[("x-tier", "iron,gold")];
const BOTH: &[(&str, &str)] = &[("x-tier", "gold"), ("x-region", "eu-1")];

fn tier(values: &[&str], not_values: &[&str]) -> AuthorizationRule {
    when("x-tier", values, not_values)
}

#[test]
fn a_condition_is_on_the_value_of_a_header() {
    let call = || grpc(CART, GET);
    #[rustfmt::skip] // A table: one case a line.
    let cases: [Case; 14] = [
        ("exact", vec![policy(Allow, [tier(&["gold"], &[])])], call().with(GOLD), ALLOWED),
        ("case counts", vec![policy(Allow, [tier(&["Gold"], &[])])], call().with(GOLD), UNMATCHED),
        ("one of several", vec![policy(Allow, [tier(&["iron", "gold"], &[])])], call().with(GOLD), ALLOWED),
        ("prefix", vec![policy(Allow, [tier(&["go*"], &[])])], call().with(GOLD), ALLOWED),
        ("suffix", vec![policy(Allow, [tier(&["*ld"], &[])])], call().with(GOLD), ALLOWED),
        ("presence", vec![policy(Allow, [tier(&["*"], &[])])], call().with(GOLD), ALLOWED),
        ("an empty value is present", vec![policy(Deny, [tier(&["*"], &[])])], call().with(EMPTY), DENIED),
        ("an empty value is no other", vec![policy(Allow, [tier(&["gold"], &[])])], call().with(EMPTY), UNMATCHED),
        ("not this value", vec![policy(Deny, [tier(&[], &["gold"])])], call().with(GOLD), DEFAULT),
        ("not that value", vec![policy(Deny, [tier(&[], &["iron"])])], call().with(GOLD), DENIED),
        ("values and an exception", vec![policy(Allow, [tier(&["g*"], &["gold"])])], call().with(GOLD), UNMATCHED),
        ("sent twice, it is one joined value", vec![policy(Allow, [tier(&["gold"], &[])])], call().with(TWICE), UNMATCHED),
        ("its beginning and end are the joined value's", vec![policy(Deny, [tier(&["*gold"], &[])])], call().with(TWICE), DENIED),
        ("a plain request too", vec![policy(Allow, [tier(&["gold"], &[])])], http(CART, "GET", "/").with(GOLD), ALLOWED),
    ];
    check(cases);
}

#[test]
fn a_header_that_is_missing_matches_no_value_and_every_exception() {
    let call = || grpc(CART, GET);
    #[rustfmt::skip] // A table: one case a line.
    let cases: [Case; 6] = [
        ("exact", vec![policy(Allow, [tier(&["gold"], &[])])], call(), UNMATCHED),
        ("presence", vec![policy(Allow, [tier(&["*"], &[])])], call(), UNMATCHED),
        ("DENY of a value", vec![policy(Deny, [tier(&["gold"], &[])])], call(), DEFAULT),
        ("DENY of all but a value", vec![policy(Deny, [tier(&[], &["gold"])])], call(), DENIED),
        ("DENY of those without it", vec![policy(Deny, [tier(&[], &["*"])])], call(), DENIED),
        ("ALLOW of all but a value", vec![policy(Allow, [tier(&[], &["gold"])])], call(), ALLOWED),
    ];
    check(cases);
}

#[test]
fn all_conditions_must_match_beside_source_and_operation() {
    let both = || AuthorizationRule {
        when: vec![
            condition("x-tier", &["gold"], &[]),
            condition("x-region", &["eu-*"], &[]),
        ],
        ..of(&[CART])
    };
    let call = || grpc(CART, GET);
    #[rustfmt::skip] // A table: one case a line.
    let cases: [Case; 4] = [
        ("both", vec![policy(Allow, [both()])], call().with(BOTH), ALLOWED),
        ("one of two", vec![policy(Allow, [both()])], call().with(GOLD), UNMATCHED),
        ("both, of another caller", vec![policy(Allow, [both()])], grpc(ADMIN, GET).with(BOTH), UNMATCHED),
        ("one of two, in DENY", vec![policy(Deny, [both()])], call().with(GOLD), DEFAULT),
    ];
    check(cases);
}
