//! `outrider authz check`: the verdict, the line that gives it, and the exit code.

use std::path::Path;
use std::process::Command;

const ORDERS: &str = "\
apiVersion: outrider.dev/v1
kind: Service
metadata: { name: orders }
spec: { grpcServices: [shop.v1.Orders] }
";

const POLICIES: &str = "\
apiVersion: outrider.dev/v1
kind: AuthorizationPolicy
metadata: { name: callers }
spec:
  targetRefs: [ { kind: Service, name: orders } ]
  rules:
    - from: [ { source: { principals: [\"spiffe://outrider.local/ns/default/svc/cart\"] } } ]
    - from: [ { source: { namespaces: [ops] } } ]
      to: [ { operation: { grpcMethods: [Get] } } ]
    - to: [ { operation: { methods: [GET], paths: [/healthz] } } ]
---
apiVersion: outrider.dev/v1
kind: AuthorizationPolicy
metadata: { name: no-test-tier }
spec:
  targetRefs: [ { kind: Service, name: orders } ]
  action: DENY
  rules: [ { when: [ { key: \"request.headers[X-Tier]\", values: [\"test*\"] } ] } ]
---
apiVersion: outrider.dev/v1
kind: AuthorizationPolicy
metadata: { name: gold-places }
spec:
  targetRefs: [ { kind: Service, name: orders } ]
  action: DENY
  dryRun: true
  rules:
    - to: [ { operation: { grpcMethods: [Place] } } ]
      when: [ { key: \"request.headers[x-tier]\", notValues: [gold] } ]
---
apiVersion: outrider.dev/v1
kind: AuthorizationPolicy
metadata: { name: watched }
spec:
  targetRefs: [ { kind: Service, name: orders } ]
  action: AUDIT
  rules: [ { from: [ { source: { namespaces: [ops] } } ] } ]
";

const CART: &str = "spiffe://outrider.local/ns/default/svc/cart";
const ADMIN: &str = "spiffe://outrider.local/ns/ops/svc/admin";
const GUEST: &str = "spiffe://outrider.local/ns/default/svc/guest";

fn folder(policies: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in [("orders.yaml", ORDERS), ("policies.yaml", policies)] {
        std::fs::write(folder.path().join(name), text).expect("a file is written");
    }
    folder
}

/// Exit code, standard output and standard error of `outrider authz check` in a folder.
fn check(folder: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let command = Command::new(env!("CARGO_BIN_EXE_outrider"))
        .args(["authz", "check"])
        .args(words)
        .current_dir(folder)
        .env_remove("OUTRIDER_DOCUMENTS")
        .env_remove("OUTRIDER_CREDENTIAL")
        .output();
    let output = command.expect("the binary starts");
    let text = |octets: Vec<u8>| String::from_utf8(octets).expect("text");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn a_verdict_names_the_line_that_gives_it() {
    let folder = folder(POLICIES);
    let get = "shop.v1.Orders/Get";
    let place = "orders/shop.v1.Orders/Place";
    #[rustfmt::skip] // A table: one case a line.
    let cases: [(&[&str], i32, &[&str]); 9] = [
        (&["--from", CART, "--to", get], 0, &["allowed: rules[0] of AuthorizationPolicy default/callers (ALLOW)", "./policies.yaml:7:7"]),
        (&["--from", ADMIN, "--to", get], 0, &["allowed: rules[1]", "./policies.yaml:8:7"]),
        (&["--from", ADMIN, "--to", place], 1, &["denied: no rule of AuthorizationPolicy default/callers", "./policies.yaml:3:19"]),
        (&["--from", GUEST, "--to", get], 1, &["denied: no rule"]),
        (&["--from", CART, "--to", get, "--header", "x-tier=test-1"], 1, &["denied: rules[0] of AuthorizationPolicy default/no-test-tier (DENY)", "./policies.yaml:18:12"]),
        (&["--from", CART, "--to", place, "--header", "X-Tier=gold"], 0, &["allowed: rules[0]", "dry run, allowed: rules[0]"]),
        (&["--from", CART, "--to", place], 0, &["allowed: rules[0]", "dry run, denied: rules[0] of AuthorizationPolicy default/gold-places (DENY)", "./policies.yaml:28:7"]),
        (&["--from", ADMIN, "--to", get], 0, &["audit: rules[0] of AuthorizationPolicy default/watched (AUDIT)", "./policies.yaml:37:12"]),
        (&["--from", GUEST, "--http", "GET", "--to", "orders/healthz?full"], 0, &["allowed: rules[2]", "./policies.yaml:10:7"]),
    ];
    for (words, code, expected) in cases {
        let words = [words, &["--documents", "."]].concat();
        let (found, shown, said) = check(folder.path(), &words);
        assert_eq!((found, &*said), (Some(code), ""), "{words:?}: {shown}");
        for text in expected {
            assert!(shown.contains(text), "{words:?}: {shown}");
        }
    }
}

#[test]
fn without_a_policy_the_default_of_the_mesh_decides() {
    const DENY: &str = "apiVersion: outrider.dev/v1\nkind: Mesh\nmetadata: { name: mesh }\n\
                        spec: { authorization: { default: deny } }\n";
    let words = [
        "--from",
        CART,
        "--to",
        "shop.v1.Orders/Get",
        "--documents",
        ".",
    ];
    let (code, shown, _) = check(folder("").path(), &words);
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        shown.starts_with("allowed: no AuthorizationPolicy decides for service orders"),
        "{shown}"
    );
    let (code, shown, _) = check(folder(DENY).path(), &words);
    assert_eq!(code, Some(1), "{shown}");
    assert!(
        shown.contains("default of the Mesh is `deny`\n --> ./policies.yaml:4:35"),
        "{shown}"
    );
}

#[test]
fn a_question_without_an_answer_is_no_denial() {
    let folder = folder(POLICIES);
    let get = "shop.v1.Orders/Get";
    #[rustfmt::skip] // A table: one case a line.
    let cases: [(&[&str], &str); 8] = [
        (&["--from", "cart", "--to", get, "--documents", "."], "--from `cart` is no identity"),
        (&["--from", CART, "--to", "shop.v1.Cart/Get", "--documents", "."], "no Service lists `shop.v1.Cart`"),
        (&["--from", CART, "--to", "cart/shop.v1.Orders/Get", "--documents", "."], "there is no Service `cart`"),
        (&["--from", CART, "--to", "orders/shop.v1.Orders/..", "--documents", "."], "a gRPC path is /package.Service/Method"),
        (&["--from", CART, "--to", get, "--header", "x", "--documents", "."], "write NAME=VALUE"),
        (&["--from", CART, "--to", get, "--documents", "nowhere"], "nowhere"),
        (&["--from", CART, "--to", get], "--credential <DIR>"),
        (&["--from", CART, "--to", get, "--credential", "nowhere"], "nowhere"),
    ];
    for (words, expected) in cases {
        let (code, shown, said) = check(folder.path(), words);
        assert_eq!((code, &*shown), (Some(2), ""), "{words:?}: {said}");
        assert!(said.contains(expected), "{words:?}: {said}");
    }
}
