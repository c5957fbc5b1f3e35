//! Who calls: identities, namespaces, trust domains, and callers without any.

use outrider_policy::{AuthorizationRule, SourceMatch};

use crate::world::*;

const ALLOWED: &str = "allowed by allow[0]";
const DENIED: &str = "denied by deny[0]";
const DEFAULT: &str = "allowed by default";
const UNMATCHED: &str = "denied, no rule matches";

fn namespaces(values: &[&str], not_values: &[&str]) -> AuthorizationRule {
    from([SourceMatch {
        namespaces: strings(values, not_values),
        ..SourceMatch::default()
    }])
}

fn trust_domains(values: &[&str], not_values: &[&str]) -> AuthorizationRule {
    from([SourceMatch {
        trust_domains: strings(values, not_values),
        ..SourceMatch::default()
    }])
}

#[test]
fn principals_are_identities_octet_by_octet() {
    #[rustfmt::skip] // A table: one case a line.
    let cases: [Case; 13] = [
        ("exact", vec![policy(Allow, [of(&[CART])])], grpc(CART, GET), ALLOWED),
        ("another service", vec![policy(Allow, [of(&[CART])])], grpc(ADMIN, GET), UNMATCHED),
        ("the same path in another trust domain", vec![policy(Allow, [of(&[CART])])], grpc(ABROAD, GET), UNMATCHED),
        ("a name that begins alike", vec![policy(Allow, [of(&[CART])])], grpc("spiffe://td/ns/shop/svc/cart2", GET), UNMATCHED),
        ("case counts", vec![policy(Allow, [of(&[CART])])], grpc("spiffe://td/ns/shop/svc/Cart", GET), UNMATCHED),
        ("one of several", vec![policy(Allow, [of(&[CART, ADMIN])])], grpc(ADMIN, GET), ALLOWED),
        ("prefix", vec![policy(Allow, [of(&["spiffe://td/ns/shop/*"])])], grpc(CART, GET), ALLOWED),
        ("ours: a prefix ends at a segment", vec![policy(Allow, [of(&["spiffe://td/ns/shop/*"])])], grpc("spiffe://td/ns/shop2/svc/cart", GET), UNMATCHED),
        ("suffix", vec![policy(Allow, [of(&["*/ns/shop/svc/cart"])])], grpc(ABROAD, GET), ALLOWED),
        ("ours: a suffix begins at a segment", vec![policy(Allow, [of(&["*/cart"])])], grpc("spiffe://td/ns/shop/svc/xcart", GET), UNMATCHED),
        ("presence: any identity", vec![policy(Allow, [of(&["*"])])], grpc(ABROAD, GET), ALLOWED),
        ("an identity that is no service's", vec![policy(Allow, [of(&["spiffe://td/control-plane"])])], grpc("spiffe://td/control-plane", GET), ALLOWED),
        ("not this one", vec![policy(Deny, [not_of(&[CART])])], grpc(CART, GET), DEFAULT),
    ];
    check(cases);
}

#[test]
fn a_caller_without_an_identity_matches_no_source_and_every_exception() {
    #[rustfmt::skip] // A table: one case a line.
    let cases: [Case; 10] = [
        ("presence", vec![policy(Allow, [of(&["*"])])], grpc(None, GET), UNMATCHED),
        ("exact", vec![policy(Allow, [of(&[CART])])], grpc(None, GET), UNMATCHED),
        ("DENY of all identities", vec![policy(Deny, [of(&["*"])])], grpc(None, GET), DEFAULT),
        ("DENY of those without", vec![policy(Deny, [not_of(&["*"])])], grpc(None, GET), DENIED),
        ("DENY of all but one", vec![policy(Deny, [not_of(&[CART])])], grpc(None, GET), DENIED),
        ("ALLOW of all but one", vec![policy(Allow, [not_of(&[CART])])], grpc(None, GET), ALLOWED),
        ("namespace", vec![policy(Allow, [namespaces(&["*"], &[])])], grpc(None, GET), UNMATCHED),
        ("DENY of all namespaces but one", vec![policy(Deny, [namespaces(&[], &["shop"])])], grpc(None, GET), DENIED),
        ("ours: trust domain", vec![policy(Allow, [trust_domains(&["*"], &[])])], grpc(None, GET), UNMATCHED),
        ("ours: DENY of all trust domains but one", vec![policy(Deny, [trust_domains(&[], &["td"])])], grpc(None, GET), DENIED),
    ];
    check(cases);
}

#[test]
fn namespaces_and_trust_domains_are_parts_of_the_identity() {
    const PLANE: &str = "spiffe://td/control-plane";
    #[rustfmt::skip] // A table: one case a line.
    let cases: [Case; 11] = [
        ("namespace", vec![policy(Allow, [namespaces(&["shop"], &[])])], grpc(CART, GET), ALLOWED),
        ("namespace of any trust domain", vec![policy(Allow, [namespaces(&["shop"], &[])])], grpc(ABROAD, GET), ALLOWED),
        ("another namespace", vec![policy(Allow, [namespaces(&["shop"], &[])])], grpc(ADMIN, GET), UNMATCHED),
        ("namespace by prefix", vec![policy(Allow, [namespaces(&["sh*"], &[])])], grpc(CART, GET), ALLOWED),
        ("namespace by suffix", vec![policy(Allow, [namespaces(&["*op"], &[])])], grpc(CART, GET), ALLOWED),
        ("any namespace", vec![policy(Allow, [namespaces(&["*"], &[])])], grpc(ADMIN, GET), ALLOWED),
        ("an identity without a namespace", vec![policy(Allow, [namespaces(&["*"], &[])])], grpc(PLANE, GET), UNMATCHED),
        ("not this namespace", vec![policy(Deny, [namespaces(&[], &["shop"])])], grpc(CART, GET), DEFAULT),
        ("not that namespace", vec![policy(Deny, [namespaces(&[], &["shop"])])], grpc(ADMIN, GET), DENIED),
        ("ours: trust domain", vec![policy(Allow, [trust_domains(&["td"], &[])])], grpc(PLANE, GET), ALLOWED),
        ("ours: another trust domain", vec![policy(Allow, [trust_domains(&["td"], &[])])], grpc(ABROAD, GET), UNMATCHED),
    ];
    check(cases);
}

#[test]
fn fields_of_a_source_are_joined_and_sources_are_alternatives() {
    let shop_but_cart = || {
        from([SourceMatch {
            principals: identities(&[], &[CART]),
            namespaces: strings(&["shop"], &[]),
            ..SourceMatch::default()
        }])
    };
    let home_shop = || SourceMatch {
        namespaces: strings(&["shop"], &[]),
        trust_domains: strings(&["td"], &[]),
        ..SourceMatch::default()
    };
    let admin = || SourceMatch {
        principals: identities(&[ADMIN], &[]),
        ..SourceMatch::default()
    };
    const STOCK: &str = "spiffe://td/ns/shop/svc/stock";
    #[rustfmt::skip] // A table: one case a line.
    let cases: [Case; 7] = [
        ("both fields", vec![policy(Allow, [shop_but_cart()])], grpc(STOCK, GET), ALLOWED),
        ("the exception", vec![policy(Allow, [shop_but_cart()])], grpc(CART, GET), UNMATCHED),
        ("one field of two", vec![policy(Allow, [shop_but_cart()])], grpc(ADMIN, GET), UNMATCHED),
        ("ours: namespace and trust domain", vec![policy(Allow, [from([home_shop()])])], grpc(ABROAD, GET), UNMATCHED),
        ("the first source", vec![policy(Allow, [from([home_shop(), admin()])])], grpc(CART, GET), ALLOWED),
        ("the second source", vec![policy(Allow, [from([home_shop(), admin()])])], grpc(ADMIN, GET), ALLOWED),
        ("an empty source is any caller", vec![policy(Allow, [from([SourceMatch::default()])])], grpc(None, GET), ALLOWED),
    ];
    check(cases);
}
