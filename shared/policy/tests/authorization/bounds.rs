//! What no service's policies may be, and that a decision allocates nothing.

use outrider_policy::{AuthorizationPolicies, AuthorizationPolicy, AuthorizationRule, StringMatch};

use crate::world::*;

fn refused_field(policies: Vec<AuthorizationPolicy>) -> Option<String> {
    let built = AuthorizationPolicies::build(false, policies);
    built.err().map(|error| error.field)
}

#[test]
fn policies_rules_and_entries_are_bounded() {
    let policies = |count| vec![policy(Allow, [all()]); count];
    let rules = |count| vec![policy(Allow, vec![all(); count])];
    // A rule with one source of so many values: the source counts too.
    let entries = |values: usize| vec![policy(Allow, [of(&vec![CART; values])])];
    let most = AuthorizationPolicies::ENTRIES_MAX - 1;
    let cases = [
        ("policies", policies(100), None),
        ("policies", policies(101), Some("policies")),
        ("rules", rules(100), None),
        ("rules", rules(101), Some("rules")),
        ("entries", entries(most), None),
        ("entries", entries(most + 1), Some("rules[0]")),
        (
            "entries of two policies",
            [entries(most), entries(1)].concat(),
            Some("rules[0]"),
        ),
    ];
    for (name, policies, expected) in cases {
        assert_eq!(refused_field(policies).as_deref(), expected, "{name}");
    }
}

#[test]
fn values_and_names_that_mean_nothing_are_refused() {
    let empty = |rule: StringMatch| {
        let mut path = paths(&[GET], &[]);
        path.paths.not_values.push(rule);
        policy(Deny, [all(), to([path])])
    };
    let header = |name: &str| policy(Allow, [when(name, &["x"], &[])]);
    let long = StringMatch::Exact("/".repeat(2_049));
    let cases = [
        (empty(StringMatch::Present), None),
        (
            empty(StringMatch::Exact(String::new())),
            Some("rules[1].to"),
        ),
        (
            empty(StringMatch::Prefix(String::new())),
            Some("rules[1].to"),
        ),
        (empty(long), Some("rules[1].to")),
        (header("x-tier"), None),
        (header("X-Tier"), Some("rules[0].when")),
        (header(""), Some("rules[0].when")),
    ];
    for (policy, expected) in cases {
        let name = format!("{policy:?}");
        assert_eq!(refused_field(vec![policy]).as_deref(), expected, "{name}");
    }
}

#[test]
fn a_decision_allocates_nothing() {
    let rule = || AuthorizationRule {
        to: vec![paths(&["/a*"], &[PLACE])],
        when: vec![condition("x-tier", &["*ld"], &["iron"])],
        ..of(&["spiffe://td/ns/shop/*", ADMIN])
    };
    let policies = vec![policy(Deny, [rule()]), dry(policy(Allow, [rule()]))];
    let built = AuthorizationPolicies::build(true, policies).expect("good policies");
    let call = grpc(CART, GET).with(&[("x-tier", "gold")]);
    let mut decision = None;
    let seen = allocation_counter::measure(|| decision = Some(judge(&built, call)));
    assert!(decision.is_some_and(|it| !it.verdict.is_allowed()));
    assert_eq!(seen.count_total, 0);
}
