//! What holds for any policies and any call.

use outrider_policy::{AuthorizationPolicy, AuthorizationRule};
use proptest::prelude::*;

use crate::world::*;

fn rules() -> impl Strategy<Value = Vec<AuthorizationRule>> {
    let rule = prop_oneof![
        Just(all()),
        Just(of(&[CART])),
        Just(of(&["*"])),
        Just(not_of(&[ADMIN])),
        Just(to([paths(&[GET], &[])])),
        Just(when("x-tier", &["gold"], &[])),
        Just(when("x-tier", &[], &["*"])),
    ];
    proptest::collection::vec(rule, 0..3)
}

fn a_policy() -> impl Strategy<Value = AuthorizationPolicy> {
    let action = prop_oneof![Just(Allow), Just(Deny), Just(Audit)];
    (action, rules(), any::<bool>()).prop_map(|(action, rules, dry_run)| AuthorizationPolicy {
        dry_run,
        ..policy(action, rules)
    })
}

fn a_call() -> impl Strategy<Value = Call> {
    let caller = prop_oneof![Just(None), Just(Some(CART)), Just(Some(ADMIN))];
    let path = prop_oneof![Just(GET), Just(PLACE)];
    (caller, path, any::<bool>()).prop_map(|(caller, path, is_gold)| {
        let headers: &[(&str, &str)] = if is_gold { &[("x-tier", "gold")] } else { &[] };
        grpc(caller, path).with(headers)
    })
}

proptest! {
    #[test]
    fn a_deny_policy_never_allows_more(
        policies in proptest::collection::vec(a_policy(), 0..4),
        rules in rules(),
        call in a_call(),
        denies_by_default: bool,
    ) {
        let (_, before) = decide(denies_by_default, &policies, call);
        let more = [policies, vec![policy(Deny, rules)]].concat();
        let (_, after) = decide(denies_by_default, &more, call);
        prop_assert!(before.verdict.is_allowed() || !after.verdict.is_allowed());
    }

    #[test]
    fn dry_runs_and_audits_change_no_verdict(
        policies in proptest::collection::vec(a_policy(), 0..5),
        call in a_call(),
        denies_by_default: bool,
    ) {
        let (all, decision) = decide(denies_by_default, &policies, call);
        let deciding: Vec<_> = policies.iter().filter(|it| !it.dry_run && it.action != Audit).cloned().collect();
        let (fewer, alone) = decide(denies_by_default, &deciding, call);
        prop_assert_eq!(shown(&all, decision.verdict), shown(&fewer, alone.verdict));
        prop_assert_eq!(alone.dry_run, None);
    }

    #[test]
    fn a_dry_run_foretells_what_enforcing_it_does(
        policies in proptest::collection::vec(a_policy(), 1..5),
        call in a_call(),
        denies_by_default: bool,
    ) {
        let (_, decision) = decide(denies_by_default, &policies, call);
        let enforced: Vec<_> = policies.into_iter().map(|it| AuthorizationPolicy { dry_run: false, ..it }).collect();
        let (_, then) = decide(denies_by_default, &enforced, call);
        prop_assert_eq!(decision.dry_run.unwrap_or(decision.verdict), then.verdict);
    }
}
