//! AuthorizationPolicies: what is refused and warned of, and what they come to.

use outrider_documents::{DocumentError, load, warnings};
use outrider_policy::{AuthorizationCall, AuthorizationVerdict, CallerIdentity, GrpcPath};

const SERVICES: &str = "\
apiVersion: outrider.dev/v1
kind: Service
metadata: { name: orders }
spec: { grpcServices: [shop.v1.Orders] }
---
apiVersion: outrider.dev/v1
kind: Service
metadata: { name: legacy }
spec: { tls: none, endpoints: { static: [ { address: \"127.0.0.1:9001\" } ] } }
";

/// A policy for `orders`; `spec` begins in line 6.
fn policy(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: outrider.dev/v1\nkind: AuthorizationPolicy\nmetadata: {{ name: {name} }}\n\
         spec:\n  targetRefs: [ {{ kind: Service, name: orders }} ]\n{spec}\n"
    )
}

fn rule(rule: &str) -> String {
    policy("p", &format!("  rules: [ {{ {rule} }} ]"))
}

fn shown(errors: &[DocumentError]) -> String {
    let shown = errors.iter().map(|error| {
        assert_eq!(error.file, "f.yaml");
        format!("{}:{} {}", error.line, error.column, error.message)
    });
    shown.collect::<Vec<_>>().join("; ")
}

/// All errors of a file beside the Services above.
fn problems(text: &str) -> String {
    let errors = load(&[("services.yaml", SERVICES), ("f.yaml", text)]).err();
    shown(&errors.unwrap_or_default())
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    let source = |fields: &str| rule(&format!("from: [ {{ source: {{ {fields} }} }} ]"));
    let operation = |fields: &str| rule(&format!("to: [ {{ operation: {{ {fields} }} }} ]"));
    let when = |fields: &str| rule(&format!("when: [ {{ {fields} }} ]"));
    let reference =
        |name: &str| policy("p", "").replace("name: orders }", &format!("name: {name} }}"));
    let twice = policy("p", "").replace("[ {", "[ { kind: Service, name: orders }, {");
    #[rustfmt::skip] // A table: one case a line.
    let cases = [
        (policy("p", ""), ""),
        (policy("p", "  action: DENY\n  dryRun: true\n  rules: [ {} ]"), ""),
        (source("principals: [\"*\", \"spiffe://td/ns/a/svc/b\", \"spiffe://td/*\", \"*/svc/b\"]"), ""),
        (operation("paths: [/a, \"/a*\", \"*/b\", \"*\"], methods: [GET], grpcMethods: [Get]"), ""),
        (when("key: \"request.headers[X-Tier]\", notValues: [gold]"), ""),
        (reference("cart"), "6:40 there is no Service `cart` in namespace `default`"),
        (reference("legacy"), "6:40 Service `legacy` has `tls: none`: no sidecar of it could enforce the policy"),
        (twice, "6:73 Service `orders` is listed twice"),
        (policy("p", "  selector: { matchLabels: { app: a } }"), "7:13 `selector` is not enforced yet: leave it out"),
        (policy("p", "  action: CUSTOM"), "7:11 CUSTOM is not enforced yet: write ALLOW, DENY or AUDIT"),
        (policy("p", "  action: allow"), "7:11 unknown variant `allow`, expected one of ALLOW, DENY, AUDIT, CUSTOM"),
        (policy("p", "  action: AUDIT\n  dryRun: true"), "8:11 AUDIT enforces nothing: leave `dryRun` out"),
        (rule("from: []"), "7:20 `from` is empty: leave it out"),
        (source(""), "7:32 `source` says nothing: leave the list out for any source"),
        (operation(""), "7:33 `operation` says nothing: leave the list out for any operation"),
        (source("principals: []"), "7:46 the list is empty: leave it out"),
        (source("ipBlocks: [10.0.0.0/8]"), "7:32 `source` says nothing: leave the list out for any source; 7:44 `ipBlocks` is not enforced yet: leave it out"),
        (source("notPrincipals: [td/ns/a/svc/b]"), "7:50 `td/ns/a/svc/b` matches nothing: write spiffe://<trust domain>/ns/<namespace>/svc/<service>, a part of it up to a slash with `/*` behind it, `*/` and its last segments, or `*`"),
        (source("namespaces: [a*b]"), "7:47 `a*b` matches nothing: a `*` stands alone, at the beginning or at the end"),
        (source("namespaces: [Shop]"), "7:47 `Shop` matches nothing: a namespace is lower-case letters, digits and inner hyphens"),
        (operation("grpcServices: [shop.v1.Cart]"), "7:50 Service `orders` does not list `shop.v1.Cart` in its grpcServices"),
        (operation("grpcMethods: [shop.v1.Orders/Get]"), "7:49 `shop.v1.Orders/Get` matches nothing: a gRPC method is written without its service, such as Get"),
        (operation("methods: [Get]"), "7:45 `Get` matches nothing: `methods` are those of HTTP, such as POST; those of gRPC are `grpcMethods`"),
        (operation("paths: [info]"), "7:43 `info` matches nothing: a path begins with a slash"),
        (operation("paths: [\"/a?x\"]"), "7:43 `/a?x` matches nothing: a path is compared without its query"),
        (operation("notPaths: [\"/a/{*}\"]"), "7:46 `/a/{*}` matches nothing: a `*` stands alone, at the beginning or at the end"),
        (operation("paths: [\"/a/{b}\"]"), "7:43 `/a/{b}` matches nothing: templates of paths are not enforced yet"),
        (when("key: source.ip, values: [10.0.0.1]"), "7:29 `source.ip` is not enforced: write request.headers[NAME]"),
        (when("key: \"request.headers[a b]\", values: [x]"), "7:29 `a b` is no name of a header"),
        (when("key: \"request.headers[:path]\", values: [x]"), "7:29 `:path` is no name of a header"),
        (when("key: \"request.headers[a]\""), "7:29 a condition needs `values` or `notValues`"),
        (policy("p", "") + &policy("p", ""), "11:19 AuthorizationPolicy `p` of namespace `default` is already at f.yaml:4"),
    ];
    for (text, expected) in cases {
        assert_eq!(problems(&text), expected, "{text}");
    }
}

#[test]
fn what_a_service_has_is_bounded() {
    let rules = |count: usize| {
        policy(
            "p",
            &format!("  rules: [ {} ]", vec!["{}"; count].join(", ")),
        )
    };
    assert_eq!(problems(&rules(100)), "");
    let many = problems(&rules(101));
    assert!(
        many.ends_with("`rules` has 101 entries: 100 at most"),
        "{many}"
    );

    let policies: String = (0..101)
        .map(|at| policy(&format!("p{at:03}"), ""))
        .collect();
    let many = problems(&policies);
    assert!(
        many.ends_with("Service `orders` has more than 100 AuthorizationPolicies"),
        "{many}"
    );

    let values = vec!["a"; 4_095].join(", ");
    let values = format!("from: [ {{ source: {{ namespaces: [{values}] }} }} ]");
    assert_eq!(problems(&rule(&values)), "");
    let many = problems(
        &(rule(&values)
            + &policy(
                "q",
                "  rules: [ { from: [ { source: { namespaces: [a] } } ] } ]",
            )),
    );
    assert!(
        many.contains("have 4098 sources, operations, conditions and values: 4096 at most"),
        "{many}"
    );
}

#[test]
fn what_matches_nothing_is_a_warning() {
    let cases = [
        (policy("p", ""), None),
        (
            policy("p", "  action: DENY"),
            Some("a policy without `rules` matches no call"),
        ),
        (
            rule("from: [ { source: { principals: [\"spiffe://td/*\"] } } ]"),
            Some("no caller is of trust domain `td`: that of the mesh is `outrider.local`"),
        ),
        (
            rule("from: [ { source: { principals: [\"*/svc/a\"] } } ]"),
            None,
        ),
    ];
    for (text, expected) in cases {
        let found = warnings(&[("services.yaml", SERVICES), ("f.yaml", &text)]);
        let found: Vec<String> = found.iter().map(|it| it.0.message.clone()).collect();
        assert_eq!(
            found.len(),
            usize::from(expected.is_some()),
            "{text} {found:?}"
        );
        assert!(
            found
                .iter()
                .all(|it| it.starts_with(expected.unwrap_or(""))),
            "{found:?}"
        );
    }
}

/// The verdict on a call of `cart` to `shop.v1.Orders/Get`.
fn verdict(files: &[(&str, &str)]) -> AuthorizationVerdict {
    let documents = load(files).expect("good documents");
    let policies = documents.authorization_of("orders").expect("good policies");
    let path = b"/shop.v1.Orders/Get";
    let call = AuthorizationCall {
        caller: Some(CallerIdentity {
            id: "spiffe://outrider.local/ns/default/svc/cart",
            trust_domain: "outrider.local",
            namespace: Some("default"),
        }),
        method: b"POST",
        path,
        grpc: GrpcPath::parse(path).ok(),
    };
    policies.decide(&call, |_| None).verdict
}

#[test]
fn policies_are_ordered_by_name_whatever_the_order_of_the_files() {
    let deny = |name: &str| policy(name, "  action: DENY\n  rules: [ {} ]");
    let (a, b) = (deny("a"), deny("b"));
    let services = ("services.yaml", SERVICES);
    let first = verdict(&[services, ("1", &a), ("2", &b)]);
    let second = verdict(&[("2", &b), ("1", &a), services]);
    assert_eq!(first, second);
    assert_eq!(first.rule().map(|rule| rule.policy), Some(0));
}

#[test]
fn the_default_of_the_mesh_is_to_allow() {
    let mesh = |spec: &str| {
        format!(
            "apiVersion: outrider.dev/v1\nkind: Mesh\nmetadata: {{ name: m }}\nspec: {{ {spec} }}\n"
        )
    };
    let cases = [
        ("", AuthorizationVerdict::AllowedByDefault),
        ("authorization: {}", AuthorizationVerdict::AllowedByDefault),
        (
            "authorization: { default: allow }",
            AuthorizationVerdict::AllowedByDefault,
        ),
        (
            "authorization: { default: deny }",
            AuthorizationVerdict::DeniedByDefault,
        ),
    ];
    for (spec, expected) in cases {
        let mesh = mesh(spec);
        let found = verdict(&[("services.yaml", SERVICES), ("mesh.yaml", &mesh)]);
        assert_eq!(found, expected, "{spec}");
    }
}
