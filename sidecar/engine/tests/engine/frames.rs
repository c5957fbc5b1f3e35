//! DATA frames keep the limits that their sender gave them. HTTP/2 does not ask for that; Dubbo 3 loses
//! a message that begins in the frame in which another one ends.

use crate::world::fields;
use crate::world::mesh::Mesh;

const UPLOAD: &str = "/shop.v1.Orders/Upload";

/// A gRPC message with its prefix.
fn message(octets: u32) -> Vec<u8> {
    [&[0][..], &octets.to_be_bytes(), &vec![7; octets as usize]].concat()
}

#[test]
fn messages_that_came_in_frames_of_their_own_go_so() {
    let mut mesh = Mesh::new(1);
    let stream = mesh.client().call("orders", UPLOAD, &[], false);
    mesh.world.settle();
    let octets = [3_000, 300, 9_000, 12_000];
    for octets in octets {
        mesh.client().http2.data(stream, &message(octets), false);
    }
    mesh.world.settle();
    let server = mesh.servers()[0];
    assert_eq!(
        mesh.world.peers[server].frames,
        octets.map(|n| n as usize + 5)
    );

    let (at, _) = mesh.world.peers[server].heads()[0].clone();
    let head = fields(&[(":status", "200"), ("content-type", "application/grpc")]);
    mesh.world.peers[server].http2.head(at, head.iter(), false);
    for octets in octets {
        mesh.world.peers[server]
            .http2
            .data(at, &message(octets), false);
    }
    mesh.world.settle();
    assert_eq!(mesh.client().frames, octets.map(|n| n as usize + 5));
}

#[test]
fn messages_that_were_kept_until_a_connection_was_open_go_in_frames_of_their_own() {
    let mut mesh = Mesh::new(1);
    let stream = mesh.client().call("orders", UPLOAD, &[], false);
    // The last is not whole.
    let body = [message(20_000), message(300), message(4_000)].concat();
    mesh.client().http2.data(stream, &body[..23_000], false);
    mesh.world.settle();
    let server = mesh.servers()[0];
    let frames = &mesh.world.peers[server].frames;
    assert_eq!(frames[..], [16_384, 3_621, 305, 2_690]);

    mesh.client().http2.data(stream, &body[23_000..], true);
    mesh.world.settle();
    assert_eq!(mesh.world.peers[server].body(), body);
}
