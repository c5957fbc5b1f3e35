//! An endpoint that goes: what it surely did not process is done elsewhere, for free, by whoever
//! finds out; what it has is left to finish.

use std::time::Duration;

use outrider_engine::{Outcome, Side};
use outrider_policy::Code;

use crate::world::mesh::Mesh;

/// Nobody declared it idempotent.
const PLACE: &str = "/shop.v1.Orders/Place";

/// GOAWAY 2^31-1, NO_ERROR: the first of two steps.
const NOTICE: [u8; 17] = [
    0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0,
];
/// GOAWAY 0, NO_ERROR: nothing was processed.
const FINAL: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// RST_STREAM of stream 1, REFUSED_STREAM.
const REFUSED: [u8; 13] = [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7];

/// A call that the application has; the application's connection.
fn placed(mesh: &mut Mesh) -> usize {
    mesh.client().call("orders", PLACE, &[], true);
    mesh.world.settle();
    mesh.servers()[0]
}

/// The last application that was connected to answers its only call.
fn answered_by_another(mesh: &mut Mesh, first: usize) {
    mesh.world.advance(Duration::from_secs(1));
    let server = mesh.servers().pop().expect("an application");
    assert_ne!(server, first, "on another connection");
    let (stream, _) = mesh.world.peers[server].heads()[0].clone();
    mesh.world.peers[server].answer(stream, b"done", "0");
    mesh.world.settle();
    assert_eq!(mesh.client().status().as_deref(), Some("0"));
    for side in [Side::Inbound, Side::Outbound] {
        assert_eq!(
            mesh.outcome(side),
            [(Outcome::Answered, Code::Ok)],
            "{side:?}"
        );
    }
    let at_caller = mesh
        .world
        .records
        .iter()
        .find(|it| it.side == Side::Outbound);
    assert_eq!(
        at_caller.map(|it| it.retries),
        Some(0),
        "found out next to it"
    );
}

#[test]
fn what_the_last_step_leaves_out_is_done_on_another_connection() {
    let mut mesh = Mesh::new(1);
    let server = placed(&mut mesh);
    mesh.world.say(server, &NOTICE);
    mesh.world.say(server, &FINAL);
    answered_by_another(&mut mesh, server);
}

#[test]
fn what_is_refused_behind_the_notice_is_done_on_another_connection() {
    let mut mesh = Mesh::new(1);
    let server = placed(&mut mesh);
    mesh.world.say(server, &NOTICE);
    mesh.world.say(server, &REFUSED);
    answered_by_another(&mut mesh, server);
}

#[test]
fn what_is_refused_once_is_tried_again_at_once() {
    let mut mesh = Mesh::new(1);
    let server = placed(&mut mesh);
    mesh.world.say(server, &REFUSED);
    mesh.world.advance(Duration::ZERO);
    let (again, _) = mesh.world.peers[server].heads()[1].clone();
    mesh.world.peers[server].answer(again, b"done", "0");
    mesh.world.settle();
    let well = (Outcome::Answered, Code::Ok);
    assert_eq!(mesh.outcome(Side::Outbound), [well]);
}

#[test]
fn a_notice_ends_nothing_and_new_calls_go_elsewhere() {
    let mut mesh = Mesh::new(1);
    let server = placed(&mut mesh);
    mesh.world.say(server, &NOTICE);
    assert!(mesh.world.is_connected(server));
    mesh.client().call("orders", PLACE, &[], true);
    mesh.world.settle();
    assert_eq!(
        mesh.world.peers[server].heads().len(),
        1,
        "none behind the notice"
    );
    let other = mesh.servers().pop().expect("an application");
    for peer in [server, other] {
        let (stream, _) = mesh.world.peers[peer].heads()[0].clone();
        mesh.world.peers[peer].answer(stream, b"done", "0");
    }
    mesh.world.settle();
    let well = (Outcome::Answered, Code::Ok);
    assert_eq!(mesh.outcome(Side::Outbound), [well, well]);
    assert!(!mesh.world.is_connected(server), "its last call has ended");
}

/// As the h2 crate's server ends a connection on which many streams were reset before it looked at them.
#[test]
fn what_is_lost_behind_a_complaint_says_what_the_server_complained_of() {
    let mut mesh = Mesh::new(1);
    let server = placed(&mut mesh);
    let text = b"too_many_resets";
    let mut goaway = vec![0, 0, 8 + text.len() as u8, 7, 0, 0, 0, 0, 0];
    // The call was taken, and may have been done: it must not be done again.
    goaway.extend([0, 0, 0, 1, 0, 0, 0, 11]);
    goaway.extend(text);
    mesh.world.say(server, &goaway);
    mesh.world.cut(server);
    mesh.world.advance(Duration::from_secs(1));
    assert_eq!(mesh.client().status().as_deref(), Some("14"));
    let said = mesh.client().field("grpc-message").unwrap_or_default();
    let expected = "the connection was reset behind GOAWAY ENHANCE_YOUR_CALM: too_many_resets";
    assert!(said.contains(expected), "{said}");
    assert_eq!(mesh.servers(), [server], "nothing is done twice");
}
