//! Peers that make work: each class of attack has its test.

use std::time::Duration;

use super::bed::{Bed, EventSummary, POST, id, list, server_config};
use crate::frame::flag;
use crate::{Config, ErrorCode, Flood, ResetCause};

const CALM: Option<ErrorCode> = Some(ErrorCode::EnhanceYourCalm);

/// How many streams go on, of `count` that a client opens and resets at once; and how it ends.
fn gone_on(bed: &mut Bed, count: u32) -> (usize, Option<ErrorCode>) {
    let mut gone_on = 0;
    for at in 0..count {
        let stream = 2 * at + 1;
        bed.post(stream, false);
        let events = bed.events();
        let is_open = matches!(events[..], [EventSummary::Head { .. }]);
        gone_on += usize::from(is_open && bed.connection.held_until(id(stream)).is_none());
        bed.rst(stream);
        if let Some(code) = bed.fails_with() {
            return (gone_on, Some(code));
        }
    }
    (gone_on, None)
}

#[test]
fn rapid_reset_is_closed_and_never_passes_the_bucket() {
    let mut bed = Bed::server(server_config());
    assert_eq!(gone_on(&mut bed, 5_000), (200, CALM));
    assert_eq!(bed.connection.counters().floods(Flood::IdleFrames), 1);
    assert!(bed.connection.counters().held_for_resets < 1_500);
}

#[test]
fn a_burst_of_cancels_and_a_slow_stream_of_them_are_served() {
    let mut bed = Bed::server(server_config());
    assert_eq!(gone_on(&mut bed, 199), (199, None));
    for at in 199..1_000 {
        bed.now += Duration::from_millis(20);
        bed.post(2 * at + 1, false);
        bed.rst(2 * at + 1);
        assert_eq!(bed.events().len(), 2, "{at}");
    }
}

#[test]
fn a_trusted_peer_is_held_and_never_closed() {
    let mut bed = Bed::server(Config {
        peer_is_trusted: true,
        ..server_config()
    });
    assert_eq!(gone_on(&mut bed, 5_000), (200, None));
    assert_eq!(bed.connection.counters().held_for_resets, 4_800);
    bed.now += Duration::from_secs(1);
    bed.post(20_001, false);
    assert_eq!(bed.events().len(), 1);
    assert_eq!(bed.connection.held_until(id(20_001)), None);
}

#[test]
fn streams_that_end_normally_earn_resets() {
    let mut bed = Bed::server(server_config());
    for at in 0..2_000 {
        let (whole, cancelled) = (4 * at + 1, 4 * at + 3);
        bed.post(whole, true);
        bed.post(cancelled, false);
        bed.rst(cancelled);
        assert_eq!(bed.events().len(), 3);
        bed.connection
            .head(id(whole), &list(&[(":status", "200")]), true);
    }
}

#[test]
fn answers_of_the_owner_pay_for_no_resets() {
    let mut bed = Bed::server(server_config());
    for at in 0..400 {
        let (refused, cancelled) = (4 * at + 1, 4 * at + 3);
        bed.post(refused, true);
        bed.post(cancelled, false);
        bed.rst(cancelled);
        bed.events();
        bed.connection.mark_local_reply(id(refused));
        let answer = list(&[(":status", "404")]);
        bed.connection.head(id(refused), &answer, true);
    }
    bed.post(1_601, true);
    bed.events();
    assert!(bed.connection.held_until(id(1_601)).is_some());
}

#[test]
fn a_thousand_calls_that_held_their_place_are_cancelled_for_nothing() {
    let mut bed = Bed::server(Config {
        max_concurrent_streams: Some(1_000),
        ..server_config()
    });
    for round in 0..5 {
        let streams: Vec<u32> = (0..1_000).map(|at| 2 * (1_000 * round + at) + 1).collect();
        streams.iter().for_each(|stream| bed.post(*stream, false));
        assert_eq!(bed.events().len(), 1_000, "{round}");
        bed.now += Duration::from_millis(20);
        streams.iter().for_each(|stream| bed.rst(*stream));
        assert_eq!(bed.events().len(), 1_000, "{round}");
    }
    assert_eq!(bed.connection.counters().held_for_resets, 0);
}

/// The forms of CVE-2025-8671: what the client does to a stream it opened.
#[test]
fn resets_that_the_peer_makes_us_send_count_as_its_own() {
    let length_of_5 = [&POST[..], &[("content-length", "5")]].concat();
    type Form<'a> = (&'a str, &'a dyn Fn(&mut Bed, u32));
    let forms: [Form<'_>; 5] = [
        ("window update of 0", &|bed, stream| {
            bed.post(stream, true);
            bed.widen(stream, 0);
        }),
        ("window overflow", &|bed, stream| {
            bed.post(stream, true);
            bed.widen(stream, 0x7fff_ffff);
        }),
        ("DATA behind END_STREAM", &|bed, stream| {
            bed.post(stream, true);
            bed.data(stream, b"x", false);
        }),
        ("PRIORITY of 4 octets", &|bed, stream| {
            bed.post(stream, true);
            bed.raw(2, 0, stream, &[0; 4]);
        }),
        ("more than content-length", &|bed, stream| {
            bed.head(stream, &length_of_5, false);
            bed.data(stream, b"123456", false);
        }),
    ];
    for (form, abuse) in forms {
        let mut bed = Bed::server(server_config());
        (0..2_000).for_each(|at| abuse(&mut bed, 2 * at + 1));
        let events = bed.events();
        let heads = events
            .iter()
            .filter(|events| matches!(events, EventSummary::Head { .. }))
            .count();
        // The last is held when it comes.
        assert!(heads <= 201, "{form}: {heads}");
        assert_eq!(
            events.last(),
            Some(&EventSummary::Failed(ErrorCode::EnhanceYourCalm)),
            "{form}"
        );
    }
}

/// A trusted peer keeps its connection, so only the budget bounds what it sends on.
#[test]
fn malformed_requests_of_a_trusted_peer_go_on_no_faster_than_its_budget_refills() {
    let length_of_1 = [&POST[..], &[("content-length", "1")]].concat();
    let mut bed = Bed::server(Config {
        peer_is_trusted: true,
        ..server_config()
    });
    let mut went_on = 0;
    for at in 0..5_000 {
        let stream = 2 * at + 1;
        bed.now += Duration::from_millis(1);
        bed.head(stream, &length_of_1, false);
        bed.events();
        went_on += u32::from(bed.connection.held_until(id(stream)).is_none());
        bed.data(stream, b"two", false);
        bed.events();
        bed.connection.mark_local_reply(id(stream));
        bed.connection
            .head(id(stream), &list(&[(":status", "400")]), true);
        bed.connection.reset(id(stream), ErrorCode::NoError);
    }
    // The burst of 200, and 50 in each of 5 seconds.
    assert!(went_on <= 450, "{went_on} of 5,000");
}

#[test]
fn more_streams_than_announced_are_refused_then_the_connection_closes() {
    let mut bed = Bed::server(Config {
        max_concurrent_streams: Some(2),
        ..Config::default()
    });
    (0..3).for_each(|at| bed.post(2 * at + 1, false));
    assert_eq!(bed.events().len(), 2);
    assert_eq!(bed.resets_sent(), [(5, ErrorCode::RefusedStream)]);
    (3..2_000).for_each(|at| bed.post(2 * at + 1, false));
    assert_eq!(
        bed.events(),
        [EventSummary::Failed(ErrorCode::EnhanceYourCalm)]
    );
}

#[test]
fn a_continuation_flood_ends_within_ten_frames() {
    let mut bed = Bed::server(server_config());
    bed.raw(1, 0, 1, &[]);
    (0..10).for_each(|_| bed.raw(9, 0, 1, &[]));
    assert_eq!(bed.events(), []);
    bed.raw(9, 0, 1, &[]);
    assert_eq!(bed.fails_with(), CALM);
}

#[test]
fn a_field_block_ends_at_four_times_the_list_limit() {
    let mut bed = Bed::server(Config {
        header_list_bytes_max: 10_000,
        ..server_config()
    });
    bed.raw(1, 0, 1, &[0x82; 16_384]);
    bed.raw(9, 0, 1, &[0x82; 16_384]);
    assert_eq!(bed.events(), []);
    bed.raw(9, 0, 1, &[0x82; 16_384]);
    assert_eq!(bed.fails_with(), CALM);
}

#[test]
fn floods_of_frames_without_use_close_the_connection() {
    type Frame<'a> = (&'a str, u32, &'a dyn Fn(&mut Bed));
    let floods: [Frame<'_>; 8] = [
        ("empty DATA", 100, &|bed| bed.data(1, &[], false)),
        ("DATA of padding only", 100, &|bed| {
            bed.raw(0, flag::PADDED, 1, &[1, 0])
        }),
        ("PING", 1_000, &|bed| bed.raw(6, 0, 0, &[0; 8])),
        ("SETTINGS", 98, &|bed| bed.settings(&[(4, 70_000)])),
        ("PRIORITY", 1_000, &|bed| bed.raw(2, 0, 9, &[0, 0, 0, 1, 0])),
        ("WINDOW_UPDATE by 1", 1_000, &|bed| bed.widen(1, 1)),
        ("unknown frames", 1_000, &|bed| bed.raw(99, 0, 0, b"x")),
        ("RST_STREAM on a closed stream", 1_000, &|bed| bed.rst(3)),
    ];
    for (flood, allowed, frame) in floods {
        let mut bed = Bed::server(server_config());
        bed.post(1, false);
        bed.post(3, false);
        bed.rst(3);
        bed.events();
        // Time does not pass, so there is the burst, and what two streams earn.
        (0..allowed - 10).for_each(|_| frame(&mut bed));
        assert_eq!(bed.fails_with(), None, "{flood}: within the burst");
        (0..40).for_each(|_| frame(&mut bed));
        assert_eq!(bed.fails_with(), CALM, "{flood}");
    }
}

#[test]
fn reading_stops_while_answers_are_unsent() {
    let mut bed = Bed::server(Config {
        control_frames_max: 5,
        ..server_config()
    });
    for times in 1..=2 {
        (0..7).for_each(|_| bed.raw(6, 0, 0, &[0; 8]));
        assert_eq!(bed.events(), []);
        assert!(!bed.connection.wants_read());
        bed.sent_frames();
        assert!(bed.connection.wants_read());
        assert_eq!(bed.connection.counters().answers_unsent, times);
    }
}

#[test]
fn late_data_on_a_reset_stream_is_bounded_by_its_window() {
    let mut bed = Bed::server(server_config());
    bed.post(1, false);
    bed.events();
    bed.connection.reset(id(1), ErrorCode::Cancel);
    (0..3).for_each(|_| bed.data(1, &[0; 16_384], false));
    assert_eq!(bed.events(), [], "the peer did not know yet");
    (0..2).for_each(|_| bed.data(1, &[0; 16_384], false));
    assert_eq!(
        bed.events(),
        [EventSummary::Failed(ErrorCode::FlowControlError)]
    );
}

#[test]
fn interim_heads_without_end_are_a_flood() {
    let mut bed = Bed::client(Config::default());
    bed.opens(true);
    (0..1_010).for_each(|_| bed.head(1, &[(":status", "103")], false));
    assert_eq!(bed.fails_with(), CALM);
}

#[test]
fn a_list_over_the_limits_is_told_and_one_far_over_them_closes() {
    let many = |count: usize| [&POST[..], &vec![("a", "b"); count - 4]].concat();
    let mut bed = Bed::server(server_config());
    bed.head(1, &many(129), true);
    bed.head(3, &many(128), true);
    bed.head(
        5,
        &[&POST[..], &[("a", "b".repeat(40_000).as_str())]].concat(),
        true,
    );
    let events = bed.events();
    assert_eq!(
        events[0],
        EventSummary::TooLarge {
            stream: 1,
            kept: 128,
            count: 129
        }
    );
    assert_eq!(
        events[1],
        EventSummary::Head {
            stream: 3,
            end: true
        }
    );
    assert_eq!(
        events[2],
        EventSummary::TooLarge {
            stream: 5,
            kept: 4,
            count: 5
        }
    );
    bed.head(7, &many(513), true);
    assert_eq!(bed.fails_with(), CALM);
}

#[test]
fn large_trailers_are_told_and_reset_nothing() {
    let mut bed = Bed::server(server_config());
    bed.post(1, false);
    bed.head(1, &vec![("a", "b"); 129], true);
    assert_eq!(bed.events()[1..], [EventSummary::TrailersTooLarge(1)]);
    assert_eq!(bed.resets_sent(), []);
    assert_eq!(bed.connection.open_streams(), 1, "for the answer");
}

#[test]
fn a_large_response_head_resets_only_its_stream() {
    let mut bed = Bed::client(Config::default());
    bed.opens(true);
    bed.opens(true);
    bed.head(
        1,
        &[&[(":status", "200")][..], &vec![("a", "b"); 200]].concat(),
        true,
    );
    bed.head(3, &[(":status", "200")], true);
    assert_eq!(
        bed.events(),
        [
            EventSummary::Reset(1, ResetCause::TooLarge),
            EventSummary::Head {
                stream: 3,
                end: true
            }
        ]
    );
    assert_eq!(bed.resets_sent(), [(1, ErrorCode::EnhanceYourCalm)]);
}
