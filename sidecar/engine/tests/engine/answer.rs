//! What a gRPC caller is told, whatever is wrong with its request or its answer.

use crate::world::fields;
use crate::world::mesh::{GET, Mesh};

/// What a request of these fields hears; an empty text: it is forwarded.
fn refusal(head: &[(&str, &str)]) -> String {
    let mut mesh = Mesh::new(1);
    let opened = mesh.client().http2.open(fields(head).iter(), true);
    opened.expect("room for a stream");
    mesh.world.settle();
    if !mesh.servers().is_empty() {
        return String::new();
    }
    let message = mesh.client().field("grpc-message");
    message.unwrap_or_else(|| String::from_utf8_lossy(&mesh.client().body()).into_owned())
}

fn plain<'a>(method: &'a str, authority: &'a str, path: &'a str) -> [(&'a str, &'a str); 4] {
    [
        (":method", method),
        (":scheme", "http"),
        (":authority", authority),
        (":path", path),
    ]
}

#[test]
fn every_spelling_of_a_services_name_is_the_service() {
    for authority in [
        "orders",
        "ORDERS",
        "orders.",
        "orders.mesh",
        "Orders.Mesh.",
        "orders:50051",
        "orders.:50051",
        "orders:",
        "orders.mesh.:",
    ] {
        assert_eq!(refusal(&plain("GET", authority, "/")), "", "{authority}");
    }
    for authority in [
        "localhost",
        "LocalHost.:15001",
        "127.0.0.1:",
        "127.8.9.1.",
        "[::1]",
        "[::1]:80",
        "[0:0::1]:",
    ] {
        let grpc = [("content-type", "application/grpc")];
        let head = [&plain("POST", authority, GET)[..], &grpc].concat();
        assert_eq!(refusal(&head), "", "{authority}");
    }
    for (authority, named) in [
        ("orders..", "no host with or without a port"),
        (".", "no host with or without a port"),
        ("orders:x", "no host with or without a port"),
        ("[::1].", "no host with or without a port"),
        ("orders.mesh.mesh.", "no service is called"),
        ("payments.", "no service is called"),
    ] {
        let said = refusal(&plain("GET", authority, "/"));
        assert!(said.contains(named), "{authority}: {said}");
    }
    assert!(refusal(&plain("GET", "u@orders", "/")).contains("0x40 in the value"));
    let nameless = [(":method", "GET"), (":scheme", "http"), (":path", "/")];
    assert!(refusal(&nameless).contains("neither :authority nor host"));
}

#[test]
fn a_call_that_names_no_service_is_told_how_to_name_one() {
    let said = refusal(&plain("GET", "127.0.0.1:15001", "/"));
    assert!(
        said.contains("names no service") && said.contains("Host: orders"),
        "{said}"
    );
    assert!(!said.contains("every service"), "{said}");
    let health = plain("POST", "localhost", "/grpc.health.v1.Health/Check");
    let said = refusal(&[&health[..], &[("content-type", "application/grpc")]].concat());
    assert!(said.contains("implemented by every service"), "{said}");
}

#[test]
fn options_may_ask_for_the_server_as_a_whole() {
    assert_eq!(refusal(&plain("OPTIONS", "orders", "*")), "");
    let said = refusal(&plain("GET", "orders", "*"));
    assert!(
        said.contains("the asterisk is a path of OPTIONS alone"),
        "{said}"
    );
}

#[test]
fn an_answer_without_a_grpc_status_gets_one_that_is_no_success() {
    let html: &[(&str, &str)] = &[(":status", "503"), ("content-type", "text/html")];
    let plain: &[(&str, &str)] = &[(":status", "204")];
    let grpc: &[(&str, &str)] = &[(":status", "200"), ("content-type", "application/grpc")];
    for (head, body, expected) in [
        (html, false, "14"),
        (html, true, "14"),
        (plain, false, "2"),
        (grpc, false, "13"),
        (grpc, true, "13"),
    ] {
        let mut mesh = Mesh::new(1);
        mesh.client()
            .call("orders", "/shop.v1.Orders/Place", &[], true);
        mesh.world.settle();
        let server = mesh.servers()[0];
        let (at, _) = mesh.world.peers[server].heads()[0].clone();
        let application = &mut mesh.world.peers[server].http2;
        application.head(at, fields(head).iter(), !body);
        application.data(at, b"<html>", true);
        mesh.world.settle();
        let status = mesh.client().status();
        assert_eq!(status.as_deref(), Some(expected), "{head:?} {body}");
        mesh.assert_quiet();
    }
}

#[test]
fn a_grpc_answer_promises_no_length_that_we_might_not_keep() {
    let mut mesh = Mesh::new(1);
    mesh.client()
        .call("orders", "/shop.v1.Orders/Place", &[], true);
    mesh.world.settle();
    let server = mesh.servers()[0];
    let (at, _) = mesh.world.peers[server].heads()[0].clone();
    let head = [
        (":status", "200"),
        ("content-type", "application/grpc"),
        ("content-length", "5"),
    ];
    mesh.world.peers[server]
        .http2
        .head(at, fields(&head).iter(), false);
    mesh.world.settle();
    mesh.world.cut(server);
    assert_eq!(mesh.client().field("content-length"), None);
    assert_eq!(mesh.client().status().as_deref(), Some("14"));
}

#[test]
fn a_timeout_said_twice_is_refused_and_sent_to_nobody() {
    let mut mesh = Mesh::new(1);
    let twice = [("grpc-timeout", "9S"), ("grpc-timeout", "1S")];
    mesh.client()
        .call("orders", "/shop.v1.Orders/Place", &twice, true);
    mesh.world.settle();
    assert_eq!(mesh.client().status().as_deref(), Some("3"));
    assert_eq!(mesh.servers(), []);
}
