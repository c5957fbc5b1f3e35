//! Windows, both directions (RFC 9113 5.2, 6.9).

use super::bed::{Bed, EventSummary, SentFrame, id, server_config};
use crate::frame::{Kind, number};
use crate::{Config, ErrorCode, FramedData, ResetCause, WindowPool};

/// Increments said, by stream.
fn updates(said: &[SentFrame]) -> Vec<(u32, u32)> {
    let updates = said.iter().filter(|said| said.kind == Kind::WindowUpdate);
    updates
        .map(|said| (said.stream, number(&said.payload)))
        .collect()
}

fn data(said: &[SentFrame]) -> Vec<(u32, usize, bool)> {
    let frames = said.iter().filter(|said| said.kind == Kind::Data);
    frames
        .map(|said| (said.stream, said.payload.len(), said.flags == 1))
        .collect()
}

fn receive_data(bed: &mut Bed, stream: u32, mut bytes: usize) {
    while bytes > 0 {
        let part = bytes.min(16_384);
        bed.data(stream, &vec![0; part], false);
        bytes -= part;
    }
    bed.events();
}

#[test]
fn stream_credit_waits_for_the_owner_and_connection_credit_does_not() {
    let mut bed = Bed::server(Config {
        max_concurrent_streams: None,
        ..Config::default()
    });
    // 8,192 stalled streams use half of the connection's window.
    for at in 0..8_193 {
        bed.post(2 * at + 1, false);
        receive_data(&mut bed, 2 * at + 1, 65_535);
    }
    let said = bed.sent_frames();
    assert_eq!(updates(&said).len(), 1, "only the connection's");
    assert_eq!(updates(&said)[0].0, 0);
    bed.post(99_999, false);
    receive_data(&mut bed, 99_999, 40_000);
    bed.connection.credit(id(99_999), 40_000);
    assert_eq!(
        updates(&bed.sent_frames()),
        [(99_999, 40_000 + 65_535)],
        "and it grows"
    );
}

#[test]
fn growth_comes_out_of_the_pool_and_goes_back() {
    let mut bed = Bed::server(server_config());
    let whole = bed.pool.left();
    bed.post(1, false);
    receive_data(&mut bed, 1, 40_000);
    bed.connection.credit(id(1), 40_000);
    assert_eq!(bed.pool.left(), whole - 65_535);
    bed.rst(1);
    bed.events();
    assert_eq!(bed.pool.left(), whole, "the stream is gone");

    bed.post(3, false);
    receive_data(&mut bed, 3, 40_000);
    bed.connection.credit(id(3), 40_000);
    let pool = bed.pool.clone();
    assert_eq!(pool.left(), whole - 65_535);
    drop(bed);
    assert_eq!(pool.left(), whole, "the connection is gone");
}

#[test]
fn data_above_the_stream_window_resets_the_stream() {
    let mut bed = Bed::server(server_config());
    bed.post(1, false);
    receive_data(&mut bed, 1, 65_535);
    bed.data(1, b"x", false);
    let cause = ResetCause::Violation(
        ErrorCode::FlowControlError,
        "DATA above the stream's window",
    );
    assert_eq!(bed.events(), [EventSummary::Reset(1, cause)]);
}

#[test]
fn padding_counts_and_comes_back_by_itself() {
    let mut bed = Bed::server(server_config());
    bed.post(1, false);
    let padded = [&[255][..], &[0; 255], b"x"].concat();
    (0..200).for_each(|_| bed.raw(0, 8, 1, &padded));
    assert_eq!(bed.events().len(), 201);
    assert!(
        !updates(&bed.sent_frames()).is_empty(),
        "200 x 256 is more than half"
    );
}

#[test]
fn window_overflow_has_the_right_level() {
    let mut bed = Bed::server(server_config());
    bed.post(1, false);
    bed.widen(1, 0x7fff_ffff);
    let cause = ResetCause::Violation(ErrorCode::FlowControlError, "stream window above 2^31-1");
    assert_eq!(bed.events()[1], EventSummary::Reset(1, cause));
    bed.widen(0, 0x7fff_ffff);
    assert_eq!(bed.fails_with(), Some(ErrorCode::FlowControlError));

    let mut bed = Bed::server(server_config());
    bed.post(1, false);
    bed.widen(1, 0x7fff_ffff - 65_535);
    bed.settings(&[(4, 65_536)]);
    assert_eq!(
        bed.fails_with(),
        Some(ErrorCode::FlowControlError),
        "by SETTINGS"
    );
}

#[test]
fn waits_for_the_stream_window_and_reports_what_was_framed() {
    let mut bed = Bed::client(Config::default());
    bed.settings(&[(4, 10)]);
    bed.events();
    let stream = bed.opens(false);
    bed.connection.data(stream, &[7; 25], true);
    assert_eq!(data(&bed.sent_frames()), [(1, 10, false)]);
    assert_eq!(bed.connection.queued(stream), 15);
    assert_eq!(
        bed.connection.next_framed(),
        Some(FramedData { stream, bytes: 10 })
    );
    assert!(
        !bed.connection.is_send_window_low(),
        "the connection's window is open"
    );
    bed.widen(1, 100);
    bed.events();
    assert_eq!(data(&bed.sent_frames()), [(1, 15, true)]);
    assert_eq!(
        bed.connection.next_framed(),
        Some(FramedData { stream, bytes: 15 })
    );
    assert_eq!(bed.connection.next_framed(), None);
}

#[test]
fn settings_move_open_windows_below_zero_and_back() {
    let mut bed = Bed::client(Config::default());
    let stream = bed.opens(false);
    bed.connection.data(stream, &[0; 1_000], false);
    bed.sent_frames();
    bed.settings(&[(4, 600)]);
    bed.events();
    bed.connection.data(stream, &[0; 50], false);
    bed.widen(1, 400);
    bed.events();
    assert_eq!(data(&bed.sent_frames()), [], "600 - 1,000 + 400 is 0");
    bed.settings(&[(4, 620)]);
    bed.events();
    assert_eq!(data(&bed.sent_frames()), [(1, 20, false)]);
}

#[test]
fn streams_take_turns_when_the_connection_window_opens() {
    let mut bed = Bed::client(Config::default());
    bed.settings(&[(4, 1 << 20)]);
    bed.events();
    let (first, second) = (bed.opens(false), bed.opens(false));
    bed.connection.data(first, &[0; 100_000], false);
    bed.connection.data(second, &[0; 100_000], false);
    assert_eq!(
        data(&bed.sent_frames())
            .iter()
            .map(|(_, len, _)| len)
            .sum::<usize>(),
        65_535
    );
    assert!(bed.connection.is_send_window_low());
    bed.widen(0, 4 * 16_384);
    bed.events();
    let streams: Vec<u32> = data(&bed.sent_frames())
        .iter()
        .map(|(stream, ..)| *stream)
        .collect();
    assert_eq!(streams, [1, 3, 1, 3]);
}

#[test]
fn output_is_bounded_and_filled_again_as_it_is_written() {
    let mut bed = Bed::client(Config {
        output_bytes_max: 30_000,
        ..Config::default()
    });
    bed.settings(&[(4, 1 << 20)]);
    bed.widen(0, 1 << 20);
    bed.events();
    let stream = bed.opens(false);
    bed.connection.data(stream, &[0; 200_000], true);
    assert!(bed.connection.output().len() < 30_000 + 16_384 + 9);
    let frames = data(&bed.sent_frames());
    assert_eq!(frames.iter().map(|(_, len, _)| len).sum::<usize>(), 200_000);
    assert_eq!(frames.iter().filter(|(.., end)| *end).count(), 1);
}

#[test]
fn an_empty_end_needs_no_window() {
    let mut bed = Bed::client(Config::default());
    bed.settings(&[(4, 0)]);
    bed.events();
    let stream = bed.opens(false);
    bed.connection.data(stream, &[], true);
    assert_eq!(data(&bed.sent_frames()), [(1, 0, true)]);
}

#[test]
fn what_a_reset_drops_is_not_reported_and_blocks_nobody() {
    let mut bed = Bed::client(Config::default());
    let first = bed.opens(false);
    bed.settings(&[(4, 1 << 20)]);
    bed.events();
    bed.connection.data(first, &[0; 100_000], false);
    bed.sent_frames();
    let second = bed.opens(false);
    assert_eq!(
        bed.connection.next_framed().map(|taken| taken.bytes),
        Some(65_535)
    );
    assert!(bed.connection.is_send_window_low());
    bed.connection.reset(first, ErrorCode::Cancel);
    assert_eq!(bed.connection.queued(first), 0);
    bed.widen(0, 16_383);
    bed.events();
    assert!(bed.connection.is_send_window_low());
    bed.widen(0, 1);
    bed.events();
    assert!(!bed.connection.is_send_window_low());
    bed.connection.data(second, &[0; 10], true);
    assert_eq!(data(&bed.sent_frames()), [(3, 10, true)]);
    assert_eq!(
        bed.connection.next_framed(),
        Some(FramedData {
            stream: second,
            bytes: 10
        })
    );
}

#[test]
fn a_spent_pool_keeps_windows_at_their_first_size() {
    let mut bed = Bed::server(server_config());
    bed.connection = crate::Connection::server(server_config(), &WindowPool::new(0));
    bed.input.extend_from_slice(crate::frame::PREFACE);
    bed.settings(&[]);
    bed.post(1, false);
    receive_data(&mut bed, 1, 40_000);
    bed.sent_frames();
    bed.connection.credit(id(1), 40_000);
    assert_eq!(updates(&bed.sent_frames()), [(1, 40_000)]);
    assert_eq!(bed.connection.counters().windows_not_grown, 1);
}

#[test]
fn a_large_request_leaves_the_windows_end_to_one_that_has_not_begun() {
    let mut bed = Bed::client(Config::default());
    let (large, short) = (bed.opens(false).value(), bed.opens(false).value());
    bed.sent_frames();
    bed.connection.data(id(large), &[0; 70_000], true);
    let sent: usize = data(&bed.sent_frames()).iter().map(|frame| frame.1).sum();
    assert_eq!(sent, 65_535 - 1_024);

    bed.connection.data(id(short), &[0; 1_000], false);
    assert_eq!(
        data(&bed.sent_frames()),
        [(short, 1_000, false), (large, 24, false)],
        "nobody else has to begin"
    );
    let late = bed.opens(false).value();
    bed.widen(0, 3_000);
    bed.events();
    let said = data(&bed.sent_frames());
    assert_eq!(said, [(large, 1_000, false)], "its window is spent");
    bed.connection.data(id(late), &[0; 5_000], false);
    assert_eq!(
        data(&bed.sent_frames()),
        [(late, 2_000, false)],
        "and nobody else has to begin"
    );
}

#[test]
fn beginnings_share_what_is_left_to_them() {
    let mut bed = Bed::client(Config::default());
    let streams: Vec<u32> = (0..8).map(|_| bed.opens(false).value()).collect();
    bed.sent_frames();
    for stream in &streams {
        bed.connection.data(id(*stream), &[0; 60_000], false);
    }
    let mut sent = std::collections::BTreeMap::new();
    for (stream, count, _) in data(&bed.sent_frames()) {
        *sent.entry(stream).or_insert(0) += count;
    }
    assert_eq!(sent.len(), 8);
    assert!(sent.values().all(|sent| *sent >= 1_024), "{sent:?}");
}

#[test]
fn a_short_request_that_waits_whole_goes_out_before_more_of_a_large_one() {
    let mut bed = Bed::client(Config::default());
    bed.settings(&[(4, 1 << 20)]);
    bed.events();
    let large = bed.opens(false).value();
    bed.connection.data(id(large), &[0; 70_000], true);
    bed.sent_frames();
    let short = bed.opens(false).value();
    bed.connection.data(id(short), &[0; 1_000], true);
    bed.sent_frames();
    bed.widen(0, 1_500);
    bed.events();
    assert_eq!(
        data(&bed.sent_frames()),
        [(short, 1_000, true), (large, 500, false)]
    );
}

#[test]
fn streams_that_may_not_send_any_more_hold_up_no_other() {
    let mut bed = Bed::client(Config::default());
    let streams: Vec<u32> = (0..3).map(|_| bed.opens(false).value()).collect();
    bed.connection.data(id(streams[0]), &[0; 65_535], false);
    bed.sent_frames();
    for stream in &streams[1..] {
        bed.connection.data(id(*stream), &[0; 10_000], false);
    }
    bed.connection.data(id(streams[0]), &[0; 10], false);
    bed.settings(&[(4, 0)]);
    bed.events();
    bed.sent_frames();
    bed.widen(streams[2], 70_000);
    bed.widen(0, 9_000);
    bed.events();
    let left = 10_000 - 1_024;
    assert_eq!(data(&bed.sent_frames()), [(streams[2], left, false)]);
}

#[test]
fn what_was_left_to_a_stream_that_is_gone_is_used() {
    for gone_by_goaway in [true, false] {
        let mut bed = Bed::client(Config::default());
        let (large, idle) = (bed.opens(false).value(), bed.opens(false).value());
        bed.connection.data(id(large), &[0; 65_535], true);
        bed.sent_frames();
        match gone_by_goaway {
            true => bed.raw(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]),
            false => bed.rst(idle),
        }
        bed.events();
        assert_eq!(data(&bed.sent_frames()), [(large, 1_024, true)]);
    }
}

#[test]
fn what_is_left_to_others_makes_no_small_frames() {
    let mut bed = Bed::client(Config::default());
    let (large, idle) = (bed.opens(false).value(), bed.opens(false).value());
    bed.settings(&[(4, 1 << 20)]);
    bed.events();
    bed.connection.data(id(large), &[0; 100_000], false);
    bed.sent_frames();
    for _ in 0..10 {
        bed.widen(0, 100);
        bed.events();
        assert_eq!(data(&bed.sent_frames()), []);
    }
    bed.widen(0, 100);
    bed.events();
    assert_eq!(data(&bed.sent_frames()), [(large, 1_100, false)]);
    bed.connection.data(id(idle), &[0; 10], false);
    assert_eq!(data(&bed.sent_frames())[0], (idle, 10, false));
}
