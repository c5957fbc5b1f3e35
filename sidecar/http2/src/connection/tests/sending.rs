//! What our side says, in which order.

use super::bed::{Bed, POST, id, list, server_config};
use crate::frame::{Kind, PAYLOAD_MAX, flag};
use crate::{CannotOpen, Config, ErrorCode};

#[test]
fn trailers_wait_behind_queued_data() {
    let mut bed = Bed::server(server_config());
    bed.settings(&[(4, 5)]);
    bed.post(1, true);
    bed.events();
    bed.connection
        .head(id(1), &list(&[(":status", "200")]), false);
    bed.connection.data(id(1), b"0123456789", false);
    bed.connection
        .trailers(id(1), &list(&[("grpc-status", "0")]));
    bed.connection.data(id(1), b"too late", true);
    let first: Vec<_> = bed.sent_frames().iter().map(|said| said.kind).collect();
    assert_eq!(first, [Kind::Settings, Kind::Headers, Kind::Data]);
    bed.widen(1, 5);
    bed.events();
    let second: Vec<_> = bed
        .sent_frames()
        .iter()
        .map(|said| (said.kind, said.flags))
        .collect();
    let last = flag::END_HEADERS | flag::END_STREAM;
    assert_eq!(second, [(Kind::Data, 0), (Kind::Headers, last)]);
    assert_eq!(bed.connection.open_streams(), 0);
}

#[test]
fn an_answer_cut_short_ends_at_once_without_what_waited() {
    let mut bed = Bed::server(server_config());
    bed.settings(&[(4, 5)]);
    for stream in [1, 3] {
        bed.post(stream, true);
        bed.events();
        bed.connection
            .head(id(stream), &list(&[(":status", "200")]), false);
        bed.connection.data(id(stream), b"0123456789", false);
    }
    bed.sent_frames();
    bed.connection
        .cut_short(id(1), &list(&[("grpc-status", "4")]));
    let last = flag::END_HEADERS | flag::END_STREAM;
    let said: Vec<_> = bed
        .sent_frames()
        .iter()
        .map(|said| (said.kind, said.stream, said.flags))
        .collect();
    assert_eq!(said, [(Kind::Headers, 1, last)]);
    bed.widen(1, 5);
    bed.widen(3, 5);
    bed.events();
    let said: Vec<_> = bed.sent_frames().iter().map(|said| said.stream).collect();
    assert_eq!(said, [3], "the others go on");
}

#[test]
fn a_long_head_continues_in_more_frames() {
    let mut bed = Bed::client(Config::default());
    // '~' has no short code: the value is sent as it is.
    let long = "~".repeat(PAYLOAD_MAX + 10);
    bed.connection
        .open(&list(&[&POST[..], &[("long", &long)]].concat()), true)
        .unwrap();
    let said = bed.sent_frames();
    assert_eq!(
        (said[0].kind, said[0].flags),
        (Kind::Headers, flag::END_STREAM)
    );
    assert_eq!(
        (said[1].kind, said[1].flags),
        (Kind::Continuation, flag::END_HEADERS)
    );
    let mut whole = said[0].clone();
    whole.payload.extend_from_slice(&said[1].payload);
    assert_eq!(bed.fields(&whole).find(b"long"), Some(long.as_bytes()));
}

#[test]
fn a_smaller_peer_table_is_obeyed() {
    let mut bed = Bed::client(Config::default());
    bed.opens(true);
    bed.settings(&[(1, 0)]);
    bed.events();
    bed.opens(true);
    let said = bed.sent_frames();
    let heads: Vec<_> = said
        .iter()
        .filter(|said| said.kind == Kind::Headers)
        .collect();
    assert_eq!(heads[1].payload[0], 0x20, "the update comes first");
    for head in heads {
        assert_eq!(bed.fields(head), list(&POST));
    }
}

#[test]
fn a_failed_connection_says_goaway_and_nothing_more() {
    let mut bed = Bed::client(Config::default());
    let stream = bed.opens(false);
    bed.widen(0, 0);
    bed.events();
    assert!(bed.connection.is_failed());
    assert_eq!(
        bed.sent_frames().last().map(|said| said.kind),
        Some(Kind::Goaway)
    );
    bed.connection.data(stream, b"x", true);
    bed.connection.reset(stream, ErrorCode::Cancel);
    bed.connection.ping([0; 8]);
    assert_eq!(
        bed.connection.open(&list(&POST), true),
        Err(CannotOpen::Failed)
    );
    assert_eq!(bed.sent_frames(), []);
}

#[test]
fn only_a_client_opens() {
    let mut bed = Bed::server(server_config());
    assert!(!bed.connection.can_open());
    assert_eq!(
        bed.connection.open(&list(&POST), true),
        Err(CannotOpen::Failed)
    );
}
