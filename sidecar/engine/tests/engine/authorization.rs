//! The callee's sidecar decides who may call: what the caller reads, and what the record says.

use std::sync::Arc;

use outrider_engine::config::Snapshot;
use outrider_engine::{Outcome, Reason, Side};
use outrider_policy::{
    AuthorizationAction, AuthorizationPolicies, AuthorizationPolicy, AuthorizationRule, Code,
    IdentityMatch, ListenerPolicy, SourceMatch, ValueMatch,
};

use crate::world::mesh::{FRONTEND, GET, Mesh};

/// The only instance of `orders` in a mesh.
const CALLEE: usize = 1;

fn of(principal: &str) -> AuthorizationRule {
    let source = SourceMatch {
        principals: ValueMatch {
            values: vec![IdentityMatch::parse(principal).expect("a principal")],
            not_values: Vec::new(),
        },
        ..SourceMatch::default()
    };
    AuthorizationRule {
        from: vec![source],
        ..AuthorizationRule::default()
    }
}

fn policy(action: AuthorizationAction, principal: &str) -> AuthorizationPolicy {
    AuthorizationPolicy {
        name: "default/callers".to_owned(),
        action,
        rules: vec![of(principal)],
        ..AuthorizationPolicy::default()
    }
}

/// A mesh in which `orders` has this policy.
fn mesh(policy: AuthorizationPolicy) -> Mesh {
    let authorization = AuthorizationPolicies::build(false, vec![policy]);
    let inbound = ListenerPolicy {
        authorization: authorization.expect("a good policy"),
        ..ListenerPolicy::default()
    };
    let mut mesh = Mesh::new(1);
    let snapshot = Snapshot {
        inbound,
        ..Snapshot::default()
    };
    let now = mesh.world.now;
    mesh.world.engines[CALLEE].configure(now, Arc::new(snapshot));
    mesh
}

#[test]
fn a_denied_call_reaches_no_application_and_is_not_tried_again() {
    const GUEST: &str = "spiffe://outrider.local/ns/default/svc/guest";
    let cases = [
        (
            policy(AuthorizationAction::Allow, GUEST),
            "no rule of an ALLOW AuthorizationPolicy matches",
            "unmatched",
        ),
        (
            policy(AuthorizationAction::Deny, FRONTEND),
            "rules[0] of AuthorizationPolicy default/callers matches",
            "default/callers[0]",
        ),
    ];
    for (policy, why, rule) in cases {
        let mut mesh = mesh(policy);
        mesh.client().call("orders", GET, &[], true);
        mesh.world.settle();
        assert_eq!(mesh.client().status().as_deref(), Some("7"));
        let message = mesh.client().field("grpc-message").unwrap_or_default();
        assert!(
            message.contains("may not make this call [DENIED]"),
            "{message}"
        );
        assert!(!message.contains("Policy"), "{message}");
        assert_eq!(mesh.servers(), [], "no application was asked");

        let refused = (Outcome::Refused(Reason::Denied), Code::PermissionDenied);
        assert_eq!(mesh.outcome(Side::Inbound), [refused], "one try");
        let mut records = mesh.world.records.iter();
        let inbound = records.find(|record| record.side == Side::Inbound);
        let inbound = inbound.expect("a record");
        assert_eq!(inbound.detail.as_deref(), Some(why));
        let decisions = inbound.trail.decisions();
        let decisions: Vec<_> = decisions.iter().map(ToString::to_string).collect();
        assert_eq!(decisions, [format!("authorization:refused:{rule}")]);
        mesh.assert_quiet();
    }
}

#[test]
fn an_allowed_call_is_answered_by_the_application() {
    let mut mesh = mesh(policy(AuthorizationAction::Allow, FRONTEND));
    mesh.client().call("orders", GET, &[], true);
    mesh.world.settle();
    let server = mesh.servers()[0];
    let (stream, _) = mesh.world.peers[server].heads().pop().expect("a request");
    mesh.world.peers[server].answer(stream, b"", "0");
    mesh.world.settle();
    assert_eq!(mesh.client().status().as_deref(), Some("0"));
    mesh.assert_quiet();
}

/// What the policies of the callee decided about the one call.
fn decisions(mesh: &Mesh) -> Vec<String> {
    let mut records = mesh.world.records.iter();
    let inbound = records.find(|record| record.side == Side::Inbound);
    let decisions = inbound.expect("a record").trail.decisions().iter();
    decisions.map(ToString::to_string).collect()
}

#[test]
fn a_dry_run_and_an_audit_let_the_call_pass_and_are_listed() {
    let dry = AuthorizationPolicy {
        dry_run: true,
        ..policy(AuthorizationAction::Deny, FRONTEND)
    };
    let audit = policy(AuthorizationAction::Audit, FRONTEND);
    for (policy, listed) in [
        (dry, "authorization:would_refuse:default/callers[0]"),
        (audit, "authorization:audited:default/callers[0]"),
    ] {
        let mut mesh = mesh(policy);
        mesh.client().call("orders", GET, &[], true);
        mesh.world.settle();
        let server = mesh.servers()[0];
        let (stream, _) = mesh.world.peers[server].heads().pop().expect("a request");
        mesh.world.peers[server].answer(stream, b"", "0");
        mesh.world.settle();
        assert_eq!(mesh.client().status().as_deref(), Some("0"));
        assert_eq!(decisions(&mesh), [listed]);
        mesh.assert_quiet();
    }
}
