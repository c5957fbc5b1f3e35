//! Budgets follow the work: what stock libraries do at their worst, all of it in one moment.

use std::time::Duration;

use super::bed::{Bed, EventSummary, id, list, server_config};
use crate::{Config, ErrorCode};

/// The reason a bed failed, if it did.
fn goes_on(bed: &mut Bed, what: &str) {
    assert_eq!(bed.fails_with(), None, "{what}");
    bed.sent_frames();
}

/// A server with so many streams whose requests are over, each answered with `body` and left open.
fn answering(streams: u32, body: &[u8]) -> Bed {
    let mut bed = Bed::server(Config {
        max_concurrent_streams: Some(streams),
        ..server_config()
    });
    for at in 0..streams {
        let stream = 2 * at + 1;
        bed.post(stream, true);
        assert_eq!(bed.events().len(), 1);
        bed.connection
            .head(id(stream), &list(&[(":status", "200")]), false);
        bed.connection.data(id(stream), body, false);
        bed.sent_frames();
    }
    bed
}

#[test]
fn thousands_of_streams_answered_together_may_all_be_updated_several_times() {
    let mut bed = answering(5_000, &[0; 6]);
    for _ in 0..10 {
        (0..5_000).for_each(|at| bed.widen(2 * at + 1, 6));
        (0..5_000).for_each(|_| bed.widen(0, 6));
    }
    goes_on(&mut bed, "C-core: two updates a message and write");
}

#[test]
fn messages_that_lie_in_one_frame_may_be_updated_one_by_one() {
    let mut bed = answering(1, &[0; 16_384]);
    // Of a small window, so that no burst hides them.
    (0..16_384 / 6).for_each(|_| bed.widen(1, 6));
    goes_on(&mut bed, "C-core: an update for each message that is read");
}

#[test]
fn each_frame_that_is_carried_may_be_probed_with_a_ping() {
    let mut bed = answering(1, &[0; 6]);
    for _ in 0..20_000 {
        bed.connection.data(id(1), &[0; 6], false);
        bed.raw(6, 0, 0, &[0; 8]);
        bed.raw(6, 1, 0, &[0; 8]);
        bed.widen(1, 6);
        bed.events();
        bed.sent_frames();
    }
    bed.raw(6, 0, 0, &[0; 8]);
    goes_on(&mut bed, "grpc-go: a probe for each frame");
}

#[test]
fn streams_that_are_opened_pay_for_their_settings_priorities_and_empty_frames() {
    type Noise<'a> = (&'a str, &'a dyn Fn(&mut Bed, u32));
    let noises: [Noise<'_>; 5] = [
        ("SETTINGS", &|bed, _| bed.settings(&[(4, 70_000)])),
        ("PRIORITY", &|bed, stream| {
            bed.raw(2, 0, stream, &[0, 0, 0, 0, 0]);
        }),
        ("unknown frames", &|bed, stream| {
            (0..3).for_each(|_| bed.raw(99, 0, stream, b"x"));
        }),
        ("empty DATA", &|bed, stream| {
            bed.data(stream, &[], false);
        }),
        ("WINDOW_UPDATE before the first octet", &|bed, stream| {
            (0..5).for_each(|_| bed.widen(stream, 1));
            (0..5).for_each(|_| bed.widen(0, 1));
        }),
    ];
    for (what, noise) in noises {
        let mut bed = Bed::server(Config {
            max_concurrent_streams: Some(5_000),
            ..server_config()
        });
        (0..5_000).for_each(|at| bed.post(2 * at + 1, false));
        assert_eq!(bed.events().len(), 5_000, "{what}");
        (0..5_000).for_each(|at| noise(&mut bed, 2 * at + 1));
        goes_on(&mut bed, what);
    }
}

#[test]
fn what_comes_late_on_streams_that_the_peer_reset_ends_nothing() {
    let mut bed = Bed::server(server_config());
    for at in 0..2_000 {
        let (whole, cancelled) = (4 * at + 1, 4 * at + 3);
        bed.post(whole, true);
        bed.post(cancelled, false);
        bed.rst(cancelled);
        bed.data(cancelled, &[0; 6], false);
        bed.widen(cancelled, 6);
        bed.head(cancelled, &[("a", "b")], true);
        bed.rst(cancelled);
        let events = bed.events();
        assert_eq!(events.len(), 3, "{events:?}");
        bed.connection
            .head(id(whole), &list(&[(":status", "200")]), true);
        let late = [(cancelled, ErrorCode::StreamClosed); 2];
        assert_eq!(bed.resets_sent(), late);
    }
    assert_eq!(bed.connection.counters().resets_for_violations, 0);
    assert_eq!(bed.connection.counters().held_for_resets, 0);
}

#[test]
fn what_a_server_sends_behind_its_own_reset_ends_nothing_either() {
    let mut bed = Bed::client(Config::default());
    for at in 0..2_000 {
        let stream = 2 * at + 1;
        bed.opens(false);
        bed.rst(stream);
        bed.data(stream, &[0; 6], false);
        bed.head(stream, &[("grpc-status", "0")], true);
        assert_eq!(bed.events().len(), 1);
        bed.sent_frames();
    }
}

#[test]
fn late_data_behind_a_reset_of_the_peer_is_bounded() {
    let mut bed = Bed::server(server_config());
    bed.post(1, false);
    bed.rst(1);
    (0..4).for_each(|_| bed.data(1, &[0; 16_384], false));
    assert_eq!(bed.fails_with(), Some(ErrorCode::FlowControlError));

    let mut bed = Bed::server(server_config());
    bed.post(1, false);
    bed.rst(1);
    (0..1_010).for_each(|_| bed.data(1, b"x", false));
    assert_eq!(bed.fails_with(), Some(ErrorCode::EnhanceYourCalm));
}

#[test]
fn rules_that_a_server_breaks_on_our_streams_are_bounded_by_what_we_ask() {
    let mut bed = Bed::client(Config::default());
    for at in 0..5_000 {
        bed.opens(true);
        bed.head(2 * at + 1, &[(":status", "none")], true);
        assert!(
            matches!(bed.events()[..], [EventSummary::Reset(..)]),
            "{at}"
        );
        bed.sent_frames();
    }
}

/// Streams that are not reset go on, held for 10 ms at most, beside those that are.
#[test]
fn of_a_hundred_streams_one_that_is_not_taken_back_is_answered() {
    let mut bed = Bed::server(server_config());
    let mut stream = 1;
    for round in 0..200 {
        for _ in 0..99 {
            bed.post(stream, false);
            bed.rst(stream);
            stream += 2;
        }
        bed.post(stream, true);
        let events = bed.events();
        let refused = events
            .iter()
            .find(|events| matches!(events, EventSummary::Failed(_)));
        assert_eq!(refused, None, "{round}");
        let held = bed.connection.held_until(id(stream));
        assert!(held.is_none_or(|until| until <= bed.now + Duration::from_millis(10)));
        bed.now += Duration::from_millis(10);
        bed.connection
            .head(id(stream), &list(&[(":status", "200")]), true);
        bed.sent_frames();
        stream += 2;
    }
}
