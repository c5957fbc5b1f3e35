//! Requests that come in single octets: few small frames to who answers nothing, no wait for who does.

use std::time::Duration;

use crate::world::Seen;
use crate::world::mesh::{GET, Mesh};

const MS: Duration = Duration::from_millis(1);

/// Lengths of the DATA frames that the server of the mesh has seen.
fn pieces(mesh: &Mesh) -> Vec<usize> {
    let server = mesh.servers()[0];
    let seen = mesh.world.peers[server].seen.iter();
    let length = |seen: &Seen| match seen {
        Seen::Data(_, octets, _) => Some(octets.len()),
        Seen::Head(..) | Seen::Trailers(..) | Seen::Reset(..) | Seen::Goaway(_) => None,
    };
    seen.filter_map(length).collect()
}

#[test]
fn a_body_in_single_octets_that_nobody_answers_comes_in_few_frames_and_10_ms_late_at_most() {
    let mut mesh = Mesh::new(1);
    let stream = mesh.client().call("orders", GET, &[], false);
    mesh.world.settle();
    for said in 1..=4_000 {
        mesh.client().http2.data(stream, b"x", false);
        mesh.world.settle();
        let seen: usize = pieces(&mesh).iter().sum();
        assert!(said - seen <= 11, "{seen} of {said} octets came");
        mesh.world.advance(MS);
    }
    mesh.world.advance(10 * MS);
    let pieces = pieces(&mesh);
    assert_eq!(pieces.iter().sum::<usize>(), 4_000);
    assert!(pieces.len() < 700, "{} frames", pieces.len());
}

#[test]
fn a_conversation_in_single_octets_never_waits() {
    let mut mesh = Mesh::new(1);
    let path = "/shop.v1.Orders/List";
    let stream = mesh.client().call("orders", path, &[], false);
    mesh.world.settle();
    let server = mesh.servers()[0];
    let (at, _) = mesh.world.peers[server].heads()[0].clone();
    for said in 1..=1_000 {
        mesh.client().http2.data(stream, b"x", false);
        mesh.world.settle();
        assert_eq!(pieces(&mesh).len(), said);
        if said == 1 {
            let head = crate::world::fields(&[(":status", "200")]);
            mesh.world.peers[server].http2.head(at, head.iter(), false);
        }
        mesh.world.peers[server].http2.data(at, b"y", false);
        mesh.world.settle();
        assert_eq!(mesh.client().body().len(), said);
    }
}
