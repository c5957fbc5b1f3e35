//! What a connection reports to the owner of the timers.

use std::time::Duration;

use super::bed::{Bed, id, list, server_config};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_frame_is_unfinished_until_its_last_octet_and_a_block_until_its_last_frame() {
    let mut bed = Bed::server(server_config());
    assert_eq!(bed.connection.unfinished(), None);
    // HEADERS without END_HEADERS, :method GET.
    bed.raw(1, 0, 1, &[0x82]);
    bed.events();
    let block = bed.connection.unfinished();
    assert!(block.is_some());
    // CONTINUATION, still without.
    bed.raw(9, 0, 1, &[0x84]);
    bed.events();
    assert_eq!(bed.connection.unfinished(), block, "the same one");
    bed.raw(9, 4, 1, &[0x86, 0x41, 1, b'a']);
    bed.events();
    assert_eq!(bed.connection.unfinished(), None);
    // Five octets of a PING.
    bed.input.extend_from_slice(&[0, 0, 8, 6, 0]);
    bed.events();
    let ping = bed.connection.unfinished();
    assert!(ping.is_some() && ping != block);
    bed.input.extend_from_slice(&[0; 12]);
    bed.events();
    assert_eq!(bed.connection.unfinished(), None);
}

#[test]
fn octets_of_a_body_are_never_unfinished() {
    let mut bed = Bed::server(server_config());
    bed.post(1, false);
    bed.input
        .extend_from_slice(&[0, 0, 9, 0, 0, 0, 0, 0, 1, b'x']);
    bed.events();
    assert_eq!(bed.connection.unfinished(), None);
}

#[test]
fn a_stream_is_stalled_when_none_of_its_octets_went_for_so_long() {
    let mut bed = Bed::server(server_config());
    // INITIAL_WINDOW_SIZE 0.
    bed.settings(&[(4, 0)]);
    bed.post(1, true);
    bed.post(3, true);
    bed.events();
    for stream in [1, 3] {
        let head = list(&[(":status", "200")]);
        bed.connection.head(id(stream), &head, false);
        bed.connection.data(id(stream), &[0; 100], true);
    }
    let stalled = |bed: &mut Bed, second| bed.connection.stalled(second * SECOND, 10 * SECOND);
    assert_eq!(stalled(&mut bed, 100), []);
    assert_eq!(stalled(&mut bed, 109), []);
    // The peer takes one octet of stream 3.
    bed.widen(3, 1);
    bed.events();
    assert_eq!(stalled(&mut bed, 110), [id(1)]);
    assert_eq!(stalled(&mut bed, 119), [id(1)]);
    assert_eq!(stalled(&mut bed, 120), [id(1), id(3)]);
}
