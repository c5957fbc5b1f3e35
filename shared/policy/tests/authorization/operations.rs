//! What is called: gRPC services and methods, HTTP methods, paths.

use outrider_policy::{AuthorizationRule, OperationMatch};

use crate::world::*;

const ALLOWED: &str = "allowed by allow[0]";
const DENIED: &str = "denied by deny[0]";
const DEFAULT: &str = "allowed by default";
const UNMATCHED: &str = "denied, no rule matches";

fn services(values: &[&str], not_values: &[&str]) -> AuthorizationRule {
    to([OperationMatch {
        grpc_services: strings(values, not_values),
        ..OperationMatch::default()
    }])
}

fn grpc_methods(values: &[&str], not_values: &[&str]) -> AuthorizationRule {
    to([OperationMatch {
        grpc_methods: strings(values, not_values),
        ..OperationMatch::default()
    }])
}

fn methods(values: &[&str], not_values: &[&str]) -> AuthorizationRule {
    to([OperationMatch {
        methods: strings(values, not_values),
        ..OperationMatch::default()
    }])
}

fn on(values: &[&str], not_values: &[&str]) -> AuthorizationRule {
    to([paths(values, not_values)])
}

#[test]
fn paths_are_compared_without_their_query() {
    #[rustfmt::skip] // A table: one case a line.
    let cases: [Case; 13] = [
        ("a gRPC method by its path", vec![policy(Allow, [on(&[GET], &[])])], grpc(CART, GET), ALLOWED),
        ("another method", vec![policy(Allow, [on(&[GET], &[])])], grpc(CART, PLACE), UNMATCHED),
        ("a method that begins alike", vec![policy(Allow, [on(&[GET], &[])])], grpc(CART, "/shop.v1.Orders/GetAll"), UNMATCHED),
        ("case counts", vec![policy(Allow, [on(&["/Info"], &[])])], http(CART, "GET", "/info"), UNMATCHED),
        ("a service by the prefix of its path", vec![policy(Allow, [on(&["/shop.v1.Orders/*"], &[])])], grpc(CART, PLACE), ALLOWED),
        ("prefix of letters, not of segments", vec![policy(Allow, [on(&["/info*"], &[])])], http(CART, "GET", "/information"), ALLOWED),
        ("a prefix matches itself", vec![policy(Allow, [on(&["/info*"], &[])])], http(CART, "GET", "/info"), ALLOWED),
        ("suffix", vec![policy(Allow, [on(&["*/Get"], &[])])], grpc(CART, GET), ALLOWED),
        ("presence", vec![policy(Allow, [on(&["*"], &[])])], http(CART, "GET", "/"), ALLOWED),
        ("exact, with a query", vec![policy(Allow, [on(&["/info"], &[])])], http(CART, "GET", "/info?x=1"), ALLOWED),
        ("a query is no suffix", vec![policy(Deny, [on(&["*=1"], &[])])], http(CART, "GET", "/info?x=1"), DEFAULT),
        ("not this path", vec![policy(Deny, [on(&[], &[GET])])], grpc(CART, PLACE), DENIED),
        ("all paths but this", vec![policy(Deny, [on(&[], &[GET])])], grpc(CART, GET), DEFAULT),
    ];
    check(cases);
}

#[test]
fn methods_are_those_of_http() {
    #[rustfmt::skip] // A table: one case a line.
    let cases: [Case; 7] = [
        ("GET", vec![policy(Allow, [methods(&["GET"], &[])])], http(CART, "GET", "/"), ALLOWED),
        ("another", vec![policy(Allow, [methods(&["GET", "HEAD"], &[])])], http(CART, "PUT", "/"), UNMATCHED),
        ("prefix", vec![policy(Allow, [methods(&["P*"], &[])])], http(CART, "PUT", "/"), ALLOWED),
        ("a gRPC call is always POST", vec![policy(Allow, [methods(&["POST"], &[])])], grpc(CART, GET), ALLOWED),
        ("a gRPC method is no HTTP method", vec![policy(Allow, [methods(&["Get"], &[])])], grpc(CART, GET), UNMATCHED),
        ("not GET", vec![policy(Deny, [methods(&[], &["GET"])])], http(CART, "POST", "/"), DENIED),
        ("all but GET", vec![policy(Deny, [methods(&[], &["GET"])])], http(CART, "GET", "/"), DEFAULT),
    ];
    check(cases);
}

#[test]
fn grpc_services_and_methods_are_those_of_the_path() {
    #[rustfmt::skip] // A table: one case a line.
    let cases: [Case; 12] = [
        ("ours: service", vec![policy(Allow, [services(&["shop.v1.Orders"], &[])])], grpc(CART, GET), ALLOWED),
        ("ours: a service that begins alike", vec![policy(Allow, [services(&["shop.v1.Orders"], &[])])], grpc(CART, "/shop.v1.OrdersAdmin/Get"), UNMATCHED),
        ("ours: a package", vec![policy(Allow, [services(&["shop.v1.*"], &[])])], grpc(CART, GET), ALLOWED),
        ("ours: another package", vec![policy(Allow, [services(&["shop.v1.*"], &[])])], grpc(CART, "/shop.v10.Orders/Get"), UNMATCHED),
        ("ours: not this service", vec![policy(Deny, [services(&[], &["shop.v1.Orders"])])], grpc(CART, "/shop.v1.Admin/Get"), DENIED),
        ("ours: method", vec![policy(Allow, [grpc_methods(&["Get"], &[])])], grpc(CART, GET), ALLOWED),
        ("ours: methods by prefix", vec![policy(Allow, [grpc_methods(&["Get*", "List*"], &[])])], grpc(CART, "/shop.v1.Orders/ListAll"), ALLOWED),
        ("ours: another method", vec![policy(Allow, [grpc_methods(&["Get"], &[])])], grpc(CART, PLACE), UNMATCHED),
        ("ours: all methods but this", vec![policy(Deny, [grpc_methods(&[], &["Get"])])], grpc(CART, GET), DEFAULT),
        ("ours: a plain request has no gRPC service", vec![policy(Allow, [services(&["*"], &[])])], http(CART, "POST", GET), UNMATCHED),
        ("ours: so it is none of the exceptions", vec![policy(Deny, [services(&[], &["*"])])], http(CART, "POST", GET), DENIED),
        ("ours: nor has it a gRPC method", vec![policy(Allow, [grpc_methods(&["Get"], &[])])], http(CART, "GET", GET), UNMATCHED),
    ];
    check(cases);
}

#[test]
fn fields_of_an_operation_are_joined_and_operations_are_alternatives() {
    let reads = || OperationMatch {
        grpc_services: strings(&["shop.v1.Orders"], &[]),
        grpc_methods: strings(&["*"], &["Place"]),
        ..OperationMatch::default()
    };
    let info = || OperationMatch {
        methods: strings(&["GET"], &[]),
        paths: strings(&["/info*"], &["/info/secret"]),
        ..OperationMatch::default()
    };
    let cart_reads = || AuthorizationRule {
        to: vec![reads()],
        ..of(&[CART])
    };
    #[rustfmt::skip] // A table: one case a line.
    let cases: [Case; 9] = [
        ("both fields", vec![policy(Allow, [to([info()])])], http(CART, "GET", "/info/a"), ALLOWED),
        ("the exception", vec![policy(Allow, [to([info()])])], http(CART, "GET", "/info/secret"), UNMATCHED),
        ("one field of two", vec![policy(Allow, [to([info()])])], http(CART, "POST", "/info/a"), UNMATCHED),
        ("ours: all methods of a service but one", vec![policy(Allow, [to([reads()])])], grpc(CART, PLACE), UNMATCHED),
        ("the second operation", vec![policy(Allow, [to([info(), reads()])])], grpc(CART, GET), ALLOWED),
        ("an empty operation is any", vec![policy(Allow, [to([OperationMatch::default()])])], grpc(CART, GET), ALLOWED),
        ("source and operation", vec![policy(Allow, [cart_reads()])], grpc(CART, GET), ALLOWED),
        ("the operation without the source", vec![policy(Allow, [cart_reads()])], grpc(ADMIN, GET), UNMATCHED),
        ("the source without the operation", vec![policy(Allow, [cart_reads()])], grpc(CART, PLACE), UNMATCHED),
    ];
    check(cases);
}
