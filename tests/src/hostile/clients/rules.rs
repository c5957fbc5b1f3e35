//! Stream numbers, frame sizes and windows: the error level and code that RFC 9113 names.

use std::time::Duration;

use crate::hostile::said::still_serves;
use crate::hostile::{Class, Said, Target, code, open};
use crate::raw::{Block, Frame, Peer, flag, grpc_request, kind, setting};

pub(super) const CLASSES: &[Class] = &[Class {
    name: "rules_of_numbers_sizes_and_windows",
    source: "RFC 9113 4.2, 5.1, 6",
    forms: &[
        "even_stream_number",
        "decreasing_stream_number",
        "stream_number_used_again",
        "data_on_an_idle_stream",
        "window_update_on_an_idle_stream",
        "reset_on_an_idle_stream",
        "continuation_of_nothing",
        "settings_on_a_stream",
        "ping_on_a_stream",
        "goaway_on_a_stream",
        "data_on_stream_0",
        "head_on_stream_0",
        "push_promise_of_a_client",
        "frame_above_16_kib",
        "ping_of_7_octets",
        "settings_of_5_octets",
        "acknowledgement_with_payload",
        "window_update_of_3_octets",
        "reset_of_3_octets",
        "priority_of_4_octets_on_an_idle_stream",
        "initial_window_above_the_most",
        "frame_size_below_the_least",
        "enable_push_of_2",
        "connection_window_overflow",
        "connection_window_update_of_0",
        "stream_window_overflow",
        "stream_window_update_of_0",
        "padding_longer_than_the_frame",
        "unknown_field_block_form",
        "index_beyond_the_tables",
        "interrupted_field_block",
        "data_above_the_stream_window",
        "priority_of_4_octets_on_an_open_stream",
        "head_depends_on_itself",
        "data_behind_end_stream",
    ],
    run: |target, form| Box::pin(broken_rule(target, form)),
}];

const PATIENCE: Duration = Duration::from_secs(2);

/// What must happen.
enum Level {
    Connection(u32),
    /// Only the stream 1; the connection goes on.
    Stream(u32),
    /// The same, behind an answer in words: a request's list is refused so.
    Told(u32),
    /// RFC 9113 6.9.1 leaves the choice.
    Either(u32),
}

async fn broken_rule(target: Target, form: usize) -> Result<(), String> {
    let mut peer = target.greet(&[]).await?;
    let (frames, level) = match form {
        0..=12 => wrong_stream(&target, form),
        13..=19 => wrong_size(&target, form),
        20..=26 => wrong_window(&target, form),
        _ => wrong_content(&target, form),
    };
    for frame in &frames {
        peer.send_reading(&frame.encode()).await;
    }
    judge(&target, &mut peer, level).await
}

async fn judge(target: &Target, peer: &mut Peer, level: Level) -> Result<(), String> {
    match level {
        Level::Connection(code) => {
            let said = Said::all(peer, PATIENCE).await;
            said.ended_with(code)
        }
        Level::Either(code) => {
            let said = Said::until_over(peer, 1, PATIENCE).await;
            let reset = said.resets.get(&1) == Some(&code);
            let ended = said.goaway == Some(code);
            match reset || ended {
                true => Ok(()),
                false => Err(format!(
                    "expected {code}; {:?}, GOAWAY {:?}",
                    said.resets, said.goaway
                )),
            }
        }
        Level::Told(code) => {
            let answer = Said::until_over(peer, 1, PATIENCE).await;
            let status = answer.field(1, "grpc-status");
            if status != Some("13") {
                return Err(format!("expected an answer, got the status {status:?}"));
            }
            let said = Said::until_over(peer, 1, PATIENCE).await;
            said.was_reset(1, code)?;
            still_serves(peer, target, 9).await
        }
        Level::Stream(code) => {
            let said = Said::until_over(peer, 1, PATIENCE).await;
            said.was_reset(1, code)?;
            still_serves(peer, target, 9).await
        }
    }
}

fn head(target: &Target, stream: u32, flags: u8) -> Frame {
    let block = grpc_request(&target.authority, &Target::path("Hold"));
    Frame::headers(stream, flags, block.octets())
}

fn wrong_stream(target: &Target, form: usize) -> (Vec<Frame>, Level) {
    let protocol = Level::Connection(code::PROTOCOL_ERROR);
    let frames = match form {
        0 => vec![head(target, 2, 0)],
        1 => vec![head(target, 5, 0), head(target, 3, 0)],
        2 => {
            let again = head(target, 1, flag::END_STREAM);
            // RFC 9113 5.1: closed for both, since we ended it and it was reset.
            return (
                vec![head(target, 1, flag::END_STREAM), again],
                Level::Stream(code::STREAM_CLOSED),
            );
        }
        3 => vec![Frame::data(1, 0, b"x")],
        4 => vec![Frame::window_update(1, 1)],
        5 => vec![Frame::reset(1, code::CANCEL)],
        6 => vec![Frame::continuation(1, flag::END_HEADERS, &[])],
        7 => vec![Frame::new(kind::SETTINGS, 0, 1, &[])],
        8 => vec![Frame::new(kind::PING, 0, 1, &[0; 8])],
        9 => vec![Frame::new(kind::GOAWAY, 0, 1, &[0; 8])],
        10 => vec![Frame::data(0, 0, b"x")],
        11 => vec![head(target, 0, 0)],
        _ => vec![
            open(target, 1, "Hold"),
            Frame::new(kind::PUSH_PROMISE, 4, 1, &[0, 0, 0, 2]),
        ],
    };
    (frames, protocol)
}

fn wrong_size(target: &Target, form: usize) -> (Vec<Frame>, Level) {
    let frames = match form {
        13 => vec![open(target, 1, "Hold"), Frame::data(1, 0, &[0; 16_385])],
        14 => vec![Frame::new(kind::PING, 0, 0, &[0; 7])],
        15 => vec![Frame::new(kind::SETTINGS, 0, 0, &[0; 5])],
        16 => vec![Frame::new(kind::SETTINGS, flag::ACK, 0, &[0; 6])],
        17 => vec![Frame::new(kind::WINDOW_UPDATE, 0, 0, &[0; 3])],
        18 => vec![
            open(target, 1, "Hold"),
            Frame::new(kind::RST_STREAM, 0, 1, &[0; 3]),
        ],
        _ => vec![Frame::new(kind::PRIORITY, 0, 1, &[0; 4])],
    };
    (frames, Level::Connection(code::FRAME_SIZE_ERROR))
}

fn wrong_window(target: &Target, form: usize) -> (Vec<Frame>, Level) {
    let opened = || open(target, 1, "Hold");
    let most = 0x7fff_ffff;
    match form {
        20 => (
            vec![Frame::settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 31)])],
            Level::Connection(code::FLOW_CONTROL_ERROR),
        ),
        21 => (
            vec![Frame::settings(&[(setting::MAX_FRAME_SIZE, 16_383)])],
            Level::Connection(code::PROTOCOL_ERROR),
        ),
        22 => (
            vec![Frame::settings(&[(setting::ENABLE_PUSH, 2)])],
            Level::Connection(code::PROTOCOL_ERROR),
        ),
        23 => (
            vec![Frame::window_update(0, most)],
            Level::Connection(code::FLOW_CONTROL_ERROR),
        ),
        24 => (
            vec![Frame::window_update(0, 0)],
            Level::Connection(code::PROTOCOL_ERROR),
        ),
        25 => (
            vec![opened(), Frame::window_update(1, most)],
            Level::Stream(code::FLOW_CONTROL_ERROR),
        ),
        _ => (
            vec![opened(), Frame::window_update(1, 0)],
            Level::Stream(code::PROTOCOL_ERROR),
        ),
    }
}

fn wrong_content(target: &Target, form: usize) -> (Vec<Frame>, Level) {
    let opened = || open(target, 1, "Hold");
    let block = |block: Block| vec![Frame::headers(1, 0, block.octets())];
    match form {
        27 => (
            vec![opened(), Frame::new(kind::DATA, flag::PADDED, 1, &[9, 0])],
            Level::Connection(code::PROTOCOL_ERROR),
        ),
        // A table size update behind a field.
        28 => (
            block(Block::new().indexed(2).resize(0)),
            Level::Connection(code::COMPRESSION_ERROR),
        ),
        29 => (
            block(Block::new().indexed(99)),
            Level::Connection(code::COMPRESSION_ERROR),
        ),
        30 => (
            vec![Frame::new(kind::HEADERS, 0, 1, &[]), Frame::ping([0; 8])],
            Level::Connection(code::PROTOCOL_ERROR),
        ),
        31 => (
            above_the_window(target),
            Level::Either(code::FLOW_CONTROL_ERROR),
        ),
        32 => (
            vec![opened(), Frame::new(kind::PRIORITY, 0, 1, &[0; 4])],
            Level::Stream(code::FRAME_SIZE_ERROR),
        ),
        33 => (depends_on_itself(target), Level::Told(code::PROTOCOL_ERROR)),
        _ => (
            vec![head(target, 1, flag::END_STREAM), Frame::data(1, 0, b"x")],
            Level::Stream(code::STREAM_CLOSED),
        ),
    }
}

/// More than any window that grows meanwhile, sent to who does not read.
fn above_the_window(target: &Target) -> Vec<Frame> {
    let piece = vec![0; 16_384];
    let opened = [open(target, 1, "Deaf")].into_iter();
    let body = (0..400).map(|_| Frame::data(1, 0, &piece));
    opened.chain(body).collect()
}

fn depends_on_itself(target: &Target) -> Vec<Frame> {
    let mut payload = vec![0, 0, 0, 1, 15];
    let request = grpc_request(&target.authority, &Target::path("Hold"));
    payload.extend_from_slice(request.octets());
    let flags = flag::END_HEADERS | flag::PRIORITY;
    vec![Frame::new(kind::HEADERS, flags, 1, &payload)]
}
