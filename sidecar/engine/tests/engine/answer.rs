//! What a gRPC caller is told, whatever is wrong with its request or its answer.

use crate::world::fields;
use crate::world::mesh::Mesh;

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
