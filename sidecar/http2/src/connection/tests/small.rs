//! Small pieces of a body: few frames, and no message waits that the peer waits for.

use super::bed::{Bed, SentFrame, id};
use crate::frame::Kind;
use crate::{Config, Ends, StreamId};

/// A client with streams whose windows let everything go.
fn client(streams: u32) -> (Bed, Vec<StreamId>) {
    let (mut bed, streams) = narrow_client(streams);
    bed.widen(0, 1 << 20);
    bed.events();
    (bed, streams)
}

/// The same with the window that every connection begins with.
fn narrow_client(streams: u32) -> (Bed, Vec<StreamId>) {
    let mut bed = Bed::client(Config {
        coalesces: true,
        ..Config::default()
    });
    let streams = (0..streams).map(|_| bed.opens(false)).collect();
    bed.sent_frames();
    (bed, streams)
}

/// Lengths of the DATA frames that were said.
fn frames(bed: &mut Bed) -> Vec<usize> {
    let said = bed.sent_frames();
    let data = said.iter().filter(|said| said.kind == Kind::Data);
    data.map(|said: &SentFrame| said.payload.len()).collect()
}

/// Sends single octets, each written before the next; returns how many frames that made.
fn dribble(bed: &mut Bed, stream: StreamId, octets: usize) -> usize {
    let said = (0..octets).map(|_| {
        bed.connection.data(stream, b"x", false);
        frames(bed).len()
    });
    said.sum()
}

#[test]
fn pieces_that_nothing_was_sent_of_go_as_one_frame() {
    let (mut bed, streams) = client(2);
    for _ in 0..5_000 {
        bed.connection.data(streams[0], b"x", false);
    }
    assert_eq!(frames(&mut bed), [vec![256; 19], vec![136]].concat());

    bed.connection.data(streams[0], b"a", false);
    bed.connection.data(streams[1], b"b", false);
    bed.connection.data(streams[0], b"c", false);
    assert_eq!(frames(&mut bed), [1, 1, 1], "others came between");

    let part = |bed: &mut Bed, ends| bed.connection.data_part(streams[0], &[0; 9_000], ends);
    part(&mut bed, Ends::Nothing);
    part(&mut bed, Ends::Frame);
    assert_eq!(frames(&mut bed), [9_000, 9_000], "no longer than a frame");

    bed.connection.data(streams[0], b"last", false);
    bed.connection.data(streams[0], &[], true);
    let said = bed.sent_frames();
    let ends: Vec<_> = said
        .iter()
        .map(|said| (said.payload.len(), said.flags))
        .collect();
    assert_eq!(ends, [(4, 1)], "the end, too");
}

/// What a server gets of frames that nothing was sent of: 10,000 octets, a message of 17, and the
/// beginning of a long one, the last two in parts.
fn framed_alone(window: u32) -> Vec<usize> {
    let mut bed = Bed::client(Config::default());
    let stream = bed.opens(false);
    bed.events();
    bed.connection.data(stream, &[0; 65_000], false);
    bed.sent_frames();
    bed.widen(0, window);
    bed.widen(stream.value(), window);
    bed.events();
    for (octets, ends) in [
        (10_000, Ends::Frame),
        (10, Ends::Nothing),
        (7, Ends::Frame),
        (2_000, Ends::Nothing),
        (3_000, Ends::Nothing),
    ] {
        bed.connection.data_part(stream, &vec![0; octets], ends);
    }
    bed.widen(0, 1 << 20);
    bed.widen(stream.value(), 1 << 20);
    bed.events();
    frames(&mut bed)
}

#[test]
fn frames_keep_the_limits_that_their_sender_gave_them() {
    // At once, and from the queue behind a closed window.
    for window in [1 << 20, 1] {
        let frames = framed_alone(window);
        let alone = frames.ends_with(&[17, 5_000]);
        assert!(alone, "{window}: {frames:?}");
        assert_eq!(frames.iter().sum::<usize>(), 15_017, "{window}: {frames:?}");
    }
}

#[test]
fn a_frame_that_is_sent_in_part_is_not_made_longer() {
    let (mut bed, streams) = client(1);
    bed.connection.data(streams[0], b"abc", false);
    let sent = bed.connection.output()[..5].to_vec();
    bed.connection.written(5);
    bed.connection.data(streams[0], b"d", false);
    let rest = bed.connection.output().to_vec();
    let all = [sent, rest].concat();
    assert_eq!(
        all,
        [
            &[0, 0, 3, 0, 0, 0, 0, 0, 1][..],
            b"abc",
            &[0, 0, 1, 0, 0, 0, 0, 0, 1],
            b"d"
        ]
        .concat()
    );
}

#[test]
fn a_body_in_single_octets_that_nobody_answers_makes_few_frames() {
    let (mut bed, streams) = client(1);
    assert_eq!(dribble(&mut bed, streams[0], 256), 256);
    assert!(!bed.connection.is_coalescing());
    assert_eq!(dribble(&mut bed, streams[0], 255), 0);
    assert!(bed.connection.is_coalescing());
    assert_eq!(dribble(&mut bed, streams[0], 1), 1, "256 are together");
    assert_eq!(dribble(&mut bed, streams[0], 5_120), 20);

    assert_eq!(dribble(&mut bed, streams[0], 3), 0);
    bed.connection.send_coalesced();
    assert_eq!(frames(&mut bed), [3], "waited long enough");
    assert!(!bed.connection.is_coalescing());
}

#[test]
fn many_streams_that_nobody_answers_are_bounded_together() {
    let (mut bed, streams) = client(90);
    let frames: usize = streams
        .iter()
        .map(|stream| dribble(&mut bed, *stream, 200))
        .sum();
    assert_eq!(frames, 256 + 88 * 4);
}

#[test]
fn what_is_many_follows_from_the_window_and_half_of_it_is_heavy() {
    let (mut bed, streams) = narrow_client(90);
    assert_eq!(dribble(&mut bed, streams[0], 20), 15, "an eighth of 127");
    for stream in &streams[1..12] {
        dribble(&mut bed, *stream, 4);
    }
    assert!(!bed.connection.has_many_small_frames(), "59 are out");
    dribble(&mut bed, streams[12], 4);
    assert!(bed.connection.has_many_small_frames(), "63 are out");
    bed.head(streams[0].value(), &[(":status", "200")], false);
    bed.events();
    assert!(!bed.connection.has_many_small_frames(), "15 were answered");

    let (mut bed, streams) = client(90);
    streams.iter().for_each(|stream| {
        dribble(&mut bed, *stream, 4);
    });
    assert!(
        !bed.connection.has_many_small_frames(),
        "360 of 2,176 are out"
    );
}

#[test]
fn a_word_of_the_peer_lets_go_what_waits_and_what_follows() {
    type Word<'a> = (&'a str, &'a dyn Fn(&mut Bed));
    let words: [Word<'_>; 3] = [
        ("a head", &|bed| bed.head(1, &[(":status", "200")], false)),
        ("data", &|bed| bed.data(1, b"y", false)),
        ("a window", &|bed| bed.widen(1, 1)),
    ];
    let (mut bed, streams) = client(2);
    dribble(&mut bed, streams[1], 256);
    for (what, word) in words {
        assert_eq!(
            dribble(&mut bed, streams[0], 4),
            4,
            "{what}: the first few go at once"
        );
        assert_eq!(dribble(&mut bed, streams[0], 4), 0, "{what}");
        word(&mut bed);
        bed.events();
        assert_eq!(frames(&mut bed), [4], "{what}");
        // The frame that went was the first of the next few.
        bed.widen(1, 1);
        bed.events();
    }
}

#[test]
fn what_waits_goes_with_the_end() {
    for trailers in [false, true] {
        let (mut bed, streams) = client(1);
        dribble(&mut bed, streams[0], 260);
        match trailers {
            true => {
                let fields = super::bed::list(&[("a", "b")]);
                bed.connection.trailers(streams[0], &fields);
            }
            false => bed.connection.data(streams[0], b"z", true),
        }
        let said = bed.sent_frames();
        assert_eq!(said[0].payload.len(), if trailers { 4 } else { 5 });
        assert_eq!(said.last().map(|said| said.flags & 1), Some(1));
        assert_eq!(bed.connection.queued(streams[0]), 0);
    }
}

#[test]
fn a_stream_that_is_gone_leaves_room_for_others() {
    let (mut bed, streams) = client(2);
    dribble(&mut bed, streams[0], 300);
    assert!(bed.connection.is_coalescing());
    bed.connection.reset(id(1), crate::ErrorCode::Cancel);
    bed.connection.send_coalesced();
    bed.sent_frames();
    assert_eq!(dribble(&mut bed, streams[1], 256), 256);
}

#[test]
fn responses_are_never_coalesced() {
    let mut bed = Bed::server(super::bed::server_config());
    bed.post(1, true);
    bed.events();
    let head = super::bed::list(&[(":status", "200")]);
    bed.connection.head(id(1), &head, false);
    bed.sent_frames();
    assert_eq!(dribble(&mut bed, id(1), 1_000), 1_000);
}
