//! A change of one field, and the documents that cases begin with.

use crate::bed::Bed;

/// Something exists under `before`; `after` holds on it within a second.
#[derive(Clone)]
pub struct Case {
    /// As `docs/CONFIG.md` writes them.
    pub fields: &'static [&'static str],
    pub before: String,
    pub after: String,
    /// Makes what exists.
    pub arrange: fn(&mut Bed),
    /// Does the new value hold? May let time pass.
    pub shows: fn(&mut Bed) -> bool,
}

impl Case {
    pub fn new(fields: &'static [&'static str], before: String, after: String) -> Case {
        Case {
            fields,
            before,
            after,
            arrange: |_| {},
            shows: |_| false,
        }
    }

    pub fn arrange(self, arrange: fn(&mut Bed)) -> Case {
        Case { arrange, ..self }
    }

    pub fn shows(self, shows: fn(&mut Bed) -> bool) -> Case {
        Case { shows, ..self }
    }
}

/// `orders`, both instances, over mutual TLS.
pub fn orders() -> String {
    service("orders", "", "mesh", &["10.0.0.1:1000", "10.0.0.1:1001"])
}

/// `orders` in plaintext at one application.
pub fn plain() -> String {
    service("orders", "", "none", &["127.0.0.1:2000"])
}

/// `orders` where nothing answers.
pub fn unreachable() -> String {
    service("orders", "", "none", &["10.9.9.9:9"])
}

/// A Service that implements `shop.v1.<Name>`, with whatever else its metadata says.
pub fn service(name: &str, metadata: &str, tls: &str, addresses: &[&str]) -> String {
    let (first, rest) = name.split_at(1);
    let implements = format!("shop.v1.{}{}", first.to_uppercase(), rest.replace('-', ""));
    let endpoints = addresses
        .iter()
        .map(|address| format!("{{ address: \"{address}\" }}"))
        .collect::<Vec<_>>()
        .join(", ");
    format!(
        "---\napiVersion: outrider.dev/v1\nkind: Service\nmetadata: {{ name: {name}, {metadata} }}\n\
         spec:\n  tls: {tls}\n  grpcServices: [{implements}]\n  endpoints: {{ static: [ {endpoints} ] }}\n"
    )
}

/// A TrafficPolicy for `orders`.
pub fn policy(spec: &str) -> String {
    policy_for("{ kind: Service, name: orders }", spec)
}

pub fn policy_for(target: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: outrider.dev/v1\nkind: TrafficPolicy\nmetadata: {{ name: orders }}\n\
         spec: {{ targetRefs: [ {target} ], {spec} }}\n"
    )
}

pub fn mesh(spec: &str) -> String {
    format!(
        "---\napiVersion: outrider.dev/v1\nkind: Mesh\nmetadata: {{ name: mesh }}\nspec: {{ {spec} }}\n"
    )
}

/// Fields that other tests change, with their names.
pub const ELSEWHERE: [&str; 3] = [
    // `sidecar/daemon/src/xds/tests/authorization.rs`.
    "spec.authorization.default",
    // `tests/tests/proof.rs`.
    "spec.registration.verify",
    // `the_trust_domain_stays`, in `sidecar/daemon/src/control/change.rs`.
    "spec.trustDomain",
];

type Quiet = (&'static [&'static str], String, String);

/// Changes that are none to a sidecar.
pub fn without_effect() -> Vec<Quiet> {
    let people = "labels: { team: shop }, annotations: { note: later }";
    let with_status = format!("{}status: {{ seen: true }}\n", orders());
    let reference = |group: &str| {
        let target = format!("{{ group: {group}, kind: Service, name: orders }}");
        orders() + &policy_for(&target, "timeout: 1s")
    };
    vec![
        (
            &["metadata.labels", "metadata.annotations"],
            orders(),
            service(
                "orders",
                people,
                "mesh",
                &["10.0.0.1:1000", "10.0.0.1:1001"],
            ),
        ),
        (&["status"], orders(), with_status),
        // One value each.
        (
            &[
                "apiVersion",
                "kind",
                "spec.targetRefs[].kind",
                "spec.parentRefs[].kind",
                "spec.rules[].backendRefs[].kind",
                "spec.rules[].matches[].method.type",
                "spec.rules[].matches[].headers[].type",
            ],
            orders(),
            orders(),
        ),
        (
            &[
                "spec.targetRefs[].group",
                "spec.parentRefs[].group",
                "spec.rules[].backendRefs[].group",
            ],
            reference("core"),
            reference("outrider.dev"),
        ),
    ]
}
