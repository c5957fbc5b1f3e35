//! Which policy counts, and what holds where none matches.

use crate::world::*;

const ALLOWED: &str = "allowed by allow[0]";
const DENIED: &str = "denied by deny[0]";
const UNMATCHED: &str = "denied, no rule matches";

#[test]
fn deny_counts_before_allow_and_an_allow_policy_denies_the_rest() {
    #[rustfmt::skip] // A table: one case a line.
    let cases: [Case; 15] = [
        ("no policy allows", vec![], grpc(CART, GET), "allowed by default"),
        ("ALLOW without rules denies all", vec![policy(Allow, [])], grpc(CART, GET), UNMATCHED),
        ("DENY without rules denies nothing", vec![policy(Deny, [])], grpc(CART, GET), "allowed by default"),
        ("AUDIT alone denies nothing", vec![policy(Audit, [all()])], grpc(CART, GET), "allowed by default"),
        ("an empty rule of ALLOW allows all", vec![policy(Allow, [all()])], grpc(CART, GET), ALLOWED),
        ("an empty rule of ALLOW allows plaintext", vec![policy(Allow, [all()])], grpc(None, GET), ALLOWED),
        ("an empty rule of DENY denies all", vec![policy(Deny, [all()])], grpc(CART, GET), DENIED),
        ("what ALLOW matches is allowed", vec![policy(Allow, [of(&[CART])])], grpc(CART, GET), ALLOWED),
        ("what ALLOW does not match is denied", vec![policy(Allow, [of(&[CART])])], grpc(ADMIN, GET), UNMATCHED),
        ("what DENY matches is denied", vec![policy(Deny, [of(&[CART])])], grpc(CART, GET), DENIED),
        ("what DENY does not match is allowed", vec![policy(Deny, [of(&[CART])])], grpc(ADMIN, GET), "allowed by default"),
        ("DENY before ALLOW", vec![policy(Allow, [all()]), policy(Deny, [of(&[CART])])], grpc(CART, GET), DENIED),
        ("DENY misses, ALLOW matches", vec![policy(Deny, [of(&[CART])]), policy(Allow, [all()])], grpc(ADMIN, GET), ALLOWED),
        ("DENY misses, ALLOW misses", vec![policy(Deny, [of(&[CART])]), policy(Allow, [of(&[CART])])], grpc(ADMIN, GET), UNMATCHED),
        ("AUDIT allows nothing", vec![policy(Audit, [all()]), policy(Allow, [])], grpc(CART, GET), UNMATCHED),
    ];
    check(cases);
}

#[test]
fn rules_and_policies_are_alternatives_and_the_first_is_named() {
    #[rustfmt::skip] // A table: one case a line.
    let cases: [Case; 4] = [
        ("the second rule", vec![policy(Allow, [of(&[CART]), of(&[ADMIN])])], grpc(ADMIN, GET), "allowed by allow[1]"),
        ("the first rule that matches", vec![policy(Allow, [all(), of(&[ADMIN])])], grpc(ADMIN, GET), ALLOWED),
        ("the second policy", vec![policy(Allow, []), policy(Allow, [all()])], grpc(ADMIN, GET), ALLOWED),
        ("the second DENY policy", vec![policy(Deny, []), policy(Deny, [of(&[CART]), all()])], grpc(ADMIN, GET), "denied by deny[1]"),
    ];
    check(cases);
}

#[test]
fn the_default_holds_where_there_is_no_allow_policy() {
    #[rustfmt::skip] // A table: one case a line.
    let cases = [
        ("ours: none at all", vec![], "denied by default"),
        ("ours: a DENY policy that misses", vec![policy(Deny, [of(&[CART])])], "denied by default"),
        ("ours: an AUDIT policy", vec![policy(Audit, [all()])], "denied by default"),
        ("ours: a dry-run ALLOW policy", vec![dry(policy(Allow, [all()]))], "denied by default"),
        ("an ALLOW policy that matches", vec![policy(Allow, [all()])], ALLOWED),
        ("an ALLOW policy that misses", vec![policy(Allow, [])], UNMATCHED),
    ];
    for (name, policies, expected) in cases {
        let (built, decision) = decide(true, &policies, grpc(ADMIN, GET));
        assert_eq!(shown(&built, decision.verdict), expected, "{name}");
    }
}

/// What is enforced, and what would be if dry runs were. Istio judges the dry-run policies apart.
#[test]
fn a_dry_run_is_reported_and_not_enforced() {
    #[rustfmt::skip] // A table: one case a line.
    let cases = [
        ("none", vec![policy(Allow, [all()])], ALLOWED, None),
        ("DENY that matches", vec![dry(policy(Deny, [all()]))], "allowed by default", Some("denied by dry-deny[0]")),
        ("DENY that misses", vec![dry(policy(Deny, [of(&[ADMIN])]))], "allowed by default", Some("allowed by default")),
        ("ALLOW that misses", vec![dry(policy(Allow, [of(&[ADMIN])]))], "allowed by default", Some(UNMATCHED)),
        ("ALLOW that matches", vec![dry(policy(Allow, [all()]))], "allowed by default", Some("allowed by dry-allow[0]")),
        ("ALLOW beside an enforced one", vec![policy(Allow, []), dry(policy(Allow, [all()]))], UNMATCHED, Some("allowed by dry-allow[0]")),
        ("DENY beside an enforced ALLOW", vec![policy(Allow, [all()]), dry(policy(Deny, [all()]))], ALLOWED, Some("denied by dry-deny[0]")),
        ("ALLOW beside an enforced DENY", vec![policy(Deny, [all()]), dry(policy(Allow, [all()]))], DENIED, Some(DENIED)),
    ];
    for (name, policies, enforced, dry_run) in cases {
        let (built, decision) = decide(false, &policies, grpc(CART, GET));
        assert_eq!(shown(&built, decision.verdict), enforced, "{name}");
        let would = decision.dry_run.map(|verdict| shown(&built, verdict));
        assert_eq!(would.as_deref(), dry_run, "{name}");
    }
}

#[test]
fn an_audit_names_its_rule_and_changes_no_verdict() {
    let audit = || policy(Audit, [of(&[ADMIN]), to([paths(&[GET], &[])])]);
    #[rustfmt::skip] // A table: one case a line.
    let cases = [
        ("matches", vec![audit()], GET, Some("audit[1]"), true),
        ("misses", vec![audit()], PLACE, None, true),
        ("of a call that is denied", vec![policy(Deny, [all()]), audit()], GET, Some("audit[1]"), false),
    ];
    for (name, policies, path, audited, allowed) in cases {
        let (built, decision) = decide(false, &policies, grpc(CART, path));
        let rule = decision.audit;
        let rule = rule.map(|rule| format!("{}[{}]", built.policy_name(rule), rule.rule));
        assert_eq!(rule.as_deref(), audited, "{name}");
        assert_eq!(decision.verdict.is_allowed(), allowed, "{name}");
    }
}
