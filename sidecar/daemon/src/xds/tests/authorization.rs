//! Who may call the local service: what arrives in the snapshot, and what is refused.

use super::{first, resources_beside};
use outrider_documents::load;
use outrider_policy::AuthorizationPolicies;
use outrider_proto::envoy::connection_manager::HttpConnectionManager;
use outrider_proto::envoy::connection_manager::http_filter::ConfigType as HttpConfigType;
use outrider_proto::envoy::listener::filter::ConfigType;
use outrider_proto::v1::authorization::Values;
use outrider_proto::{Resources, pack, unpack, v1};

/// Every field of a rule, once at least.
const POLICIES: &str = "
apiVersion: outrider.dev/v1
kind: AuthorizationPolicy
metadata: { name: callers, namespace: shop }
spec:
  targetRefs: [ { kind: Service, name: orders } ]
  rules:
    - from:
        - source: { principals: [\"spiffe://outrider.local/ns/a/svc/b\", \"spiffe://outrider.local/*\"] }
        - source: { notPrincipals: [\"*/svc/b\", \"*\"], namespaces: [a], notNamespaces: [\"b*\"] }
        - source: { trustDomains: [outrider.local], notTrustDomains: [\"*.test\"] }
      to:
        - operation: { grpcServices: [\"shop.*\"], notGrpcServices: [\"*Admin\"], grpcMethods: [Get] }
        - operation: { notGrpcMethods: [Place], methods: [POST], notMethods: [\"P*\"] }
        - operation: { paths: [\"/a\", \"*\"], notPaths: [\"/b*\"] }
      when: [ { key: \"request.headers[x-tier]\", values: [\"go*\"], notValues: [gold] } ]
    - {}
---
apiVersion: outrider.dev/v1
kind: AuthorizationPolicy
metadata: { name: dry, namespace: shop }
spec: { targetRefs: [ { kind: Service, name: orders } ], action: DENY, dryRun: true, rules: [ {} ] }
---
apiVersion: outrider.dev/v1
kind: AuthorizationPolicy
metadata: { name: watched, namespace: shop }
spec: { targetRefs: [ { kind: Service, name: orders } ], action: AUDIT, rules: [ {} ] }
";

const ORDERS: &str = "apiVersion: outrider.dev/v1\nkind: Service\n\
                      metadata: { name: orders, namespace: shop }\nspec: {}\n";

const DENY: &str = "apiVersion: outrider.dev/v1\nkind: Mesh\nmetadata: { name: mesh }\n\
                    spec: { authorization: { default: deny } }\n";

fn accepted(text: &str, inbound: &str) -> AuthorizationPolicies {
    let accepted = first(&resources_beside(text));
    assert_eq!(accepted.rejected, []);
    let snapshot = accepted.configuration.snapshot(inbound, |_| &[]);
    snapshot.inbound.authorization
}

#[test]
fn the_policies_of_the_local_service_arrive_as_they_are_written() {
    let documents = load(&[("orders.yaml", ORDERS), ("policies.yaml", POLICIES)]);
    let expected = documents
        .expect("good documents")
        .authorization_of("orders");
    let expected = expected.expect("good policies");
    assert_ne!(expected, AuthorizationPolicies::default());
    assert_eq!(accepted(POLICIES, "inbound/orders/shop"), expected);
    for other in ["inbound/echo/default", "inbound/orders/default"] {
        let policies = accepted(POLICIES, other);
        assert_eq!(policies, AuthorizationPolicies::default(), "{other}");
    }
}

#[test]
fn the_default_of_the_mesh_holds_for_a_service_that_is_not_known_too() {
    let denying = AuthorizationPolicies::build(true, Vec::new()).expect("no policy");
    for inbound in ["inbound/echo/default", "inbound/nobody/default"] {
        assert_eq!(accepted(DENY, inbound), denying, "{inbound}");
    }
}

/// Changes what the inbound listener of `orders` says of authorization.
fn change(resources: &mut Resources, change: impl Fn(&mut v1::Authorization)) {
    let mut listeners = resources.listeners.iter_mut();
    let found = listeners.find(|it| it.message.name == "inbound/orders/shop");
    let filters = &mut found.expect("the listener").message.filter_chains[0].filters;
    let Some(ConfigType::TypedConfig(any)) = &mut filters[0].config_type else {
        panic!("no connection manager");
    };
    let mut manager: HttpConnectionManager = unpack(any).expect("a connection manager");
    let filter = &mut manager.http_filters[0].config_type;
    let Some(HttpConfigType::TypedConfig(inner)) = filter else {
        panic!("no policy");
    };
    let mut policy: v1::ListenerPolicy = unpack(inner).expect("a policy");
    change(policy.authorization.as_mut().expect("it is there"));
    *inner = pack(&policy);
    *any = pack(&manager);
}

#[test]
fn what_cannot_be_enforced_is_refused_with_its_path() {
    type Change = fn(&mut v1::Authorization);
    let cases: [(Change, &str); 4] = [
        (
            |it| it.policies[0].action = 9,
            "policies[0].action error:not known here",
        ),
        (
            |it| {
                it.policies[0].rules[0].from[0].principals = Some(Values {
                    values: vec!["a*b".to_owned()],
                    ..Values::default()
                });
            },
            "policies[0].rules[0].principals error:`a*b`",
        ),
        (
            |it| it.policies[0].rules[0].when[0].header = "X-Tier".to_owned(),
            "policies error:authorization \"shop/callers\": rules[0].when",
        ),
        (
            |it| it.policies = vec![it.policies[0].clone(); 101],
            "policies error:authorization \"service\": policies: more than 100",
        ),
    ];
    for (breaking, expected) in cases {
        let mut resources = resources_beside(POLICIES);
        change(&mut resources, breaking);
        let accepted = first(&resources);
        let errors = accepted.rejected.iter().flat_map(|it| &it.errors);
        let errors: Vec<String> = errors.map(ToString::to_string).collect();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains(expected), "{errors:?}");
    }
}
