//! Frames that carry nothing: settings, pings, priorities, windows, unknown types, empty bodies, and
//! whatever comes on closed streams.

use std::time::Duration;

use super::flood::{Answers, flood, stream};
use crate::hostile::said::still_serves;
use crate::hostile::{Class, Said, Target, open};
use crate::raw::{Frame, Peer, Sent, flag, grpc_request, kind, setting};

pub(super) const CLASSES: &[Class] = &[
    Class {
        name: "settings_flood_cve_2019_9515",
        source: "CVE-2019-9515",
        forms: &[
            "answers_unread",
            "answers_read",
            "acknowledgements",
            "empty_settings",
        ],
        run: |target, form| Box::pin(settings_flood(target, form)),
    },
    Class {
        name: "ping_flood_cve_2019_9512",
        source: "CVE-2019-9512",
        forms: &["answers_unread", "answers_read", "acknowledgements"],
        run: |target, form| Box::pin(ping_flood(target, form)),
    },
    Class {
        name: "settings_toggled_at_line_rate",
        source: "faults.md: SETTINGS toggled with 90 streams",
        forms: &["table_size", "initial_window", "streams_and_frame_size"],
        run: |target, form| Box::pin(settings_toggled(target, form)),
    },
    Class {
        name: "empty_data_cve_2019_9518",
        source: "CVE-2019-9518, RUSTSEC-2026-0258",
        forms: &["empty", "padding_only", "on_many_streams", "one_octet_each"],
        run: |target, form| Box::pin(empty_data(target, form)),
    },
    Class {
        name: "idle_frames_cve_2019_9513",
        source: "CVE-2019-9513 and like it",
        forms: &[
            "priority_on_one_stream",
            "priority_on_idle_streams",
            "unknown_frames",
            "unknown_frames_of_16_kib",
            "priority_update",
            "goaway",
        ],
        run: |target, form| Box::pin(idle_frames(target, form)),
    },
    Class {
        name: "window_update_flood",
        source: "faults.md: WINDOW_UPDATE by 1",
        forms: &[
            "of_the_connection",
            "of_an_open_stream",
            "of_a_closed_stream",
        ],
        run: |target, form| Box::pin(window_updates(target, form)),
    },
    Class {
        name: "frames_on_closed_streams_cve_2019_9514",
        source: "CVE-2019-9514",
        forms: &[
            "data",
            "heads",
            "resets",
            "data_behind_our_reset",
            "heads_behind_our_reset",
        ],
        run: |target, form| Box::pin(closed_streams(target, form)),
    },
];

const PATIENCE: Duration = Duration::from_secs(2);

/// The flood ended in a close, or the proxy stopped reading.
async fn was_bounded(mut peer: Peer, sent: Sent) -> Result<(), String> {
    if sent == Sent::Stalled {
        return Ok(());
    }
    Said::all(&mut peer, PATIENCE).await.was_calmed()
}

async fn settings_flood(target: Target, form: usize) -> Result<(), String> {
    let mut peer = target.greet(&[]).await?;
    let frame = match form {
        2 => Frame::settings_ack(),
        3 => Frame::settings(&[]),
        _ => Frame::settings(&[(setting::INITIAL_WINDOW_SIZE, 65_535)]),
    };
    let answers = [Answers::Unread, Answers::Read][form.min(1)];
    let octets = frame.encode();
    let sent = flood(&mut peer, answers, target.volume, |_| octets.clone()).await;
    was_bounded(peer, sent).await
}

async fn ping_flood(target: Target, form: usize) -> Result<(), String> {
    let mut peer = target.greet(&[]).await?;
    let frame = match form {
        2 => Frame::new(kind::PING, flag::ACK, 0, &[0; 8]),
        _ => Frame::ping([0; 8]),
    };
    let answers = [Answers::Unread, Answers::Read][form.min(1)];
    let octets = frame.encode();
    let sent = flood(&mut peer, answers, target.volume, |_| octets.clone()).await;
    was_bounded(peer, sent).await
}

async fn settings_toggled(target: Target, form: usize) -> Result<(), String> {
    let mut peer = target.greet(&[]).await?;
    for index in 0..90 {
        peer.send(&open(&target, stream(index), "Hold")).await;
    }
    let pairs: [[(u16, u32); 2]; 3] = [
        [
            (setting::HEADER_TABLE_SIZE, 0),
            (setting::HEADER_TABLE_SIZE, 4_096),
        ],
        [
            (setting::INITIAL_WINDOW_SIZE, 0),
            (setting::INITIAL_WINDOW_SIZE, 1 << 20),
        ],
        [
            (setting::MAX_CONCURRENT_STREAMS, 0),
            (setting::MAX_FRAME_SIZE, 1 << 20),
        ],
    ];
    let frames = pairs[form].map(|setting| Frame::settings(&[setting]).encode());
    let sent = flood(&mut peer, Answers::Read, target.volume, |index| {
        frames[index % 2].clone()
    });
    let sent = sent.await;
    was_bounded(peer, sent).await
}

async fn empty_data(target: Target, form: usize) -> Result<(), String> {
    let mut peer = target.greet(&[]).await?;
    let streams = if form == 2 { 90 } else { 1 };
    let method = if form == 3 { "Echo" } else { "Hold" };
    for index in 0..streams {
        peer.send(&open(&target, stream(index), method)).await;
    }
    if form == 3 {
        return small_data(&target, peer).await;
    }
    let sent = flood(&mut peer, Answers::Read, target.volume, |index| {
        let id = stream(index % streams);
        match form {
            1 => Frame::new(kind::DATA, flag::PADDED, id, &[3, 0, 0, 0]).encode(),
            _ => Frame::data(id, 0, &[]).encode(),
        }
    });
    let sent = sent.await;
    was_bounded(peer, sent).await
}

/// As much as the window allows, an octet at a time: slow, but a body. It must arrive.
async fn small_data(target: &Target, mut peer: Peer) -> Result<(), String> {
    let octets = Frame::data(1, 0, b"x").encode();
    let sent = flood(&mut peer, Answers::Read, 20_000, |_| octets.clone()).await;
    if sent != Sent::All {
        return Err(format!("a body of small frames was not taken: {sent:?}"));
    }
    peer.send(&Frame::data(1, flag::END_STREAM, &[])).await;
    let said = Said::until_over(&mut peer, 1, 5 * PATIENCE).await;
    if said.data_bytes != 20_000 {
        return Err(format!("{} of 20000 octets came back", said.data_bytes));
    }
    still_serves(&mut peer, target, 3).await
}

async fn idle_frames(target: Target, form: usize) -> Result<(), String> {
    let mut peer = target.greet(&[]).await?;
    let large = vec![0; 16_000];
    let sent = flood(&mut peer, Answers::Read, target.volume, |index| {
        let frame = match form {
            0 => Frame::priority(1, 3),
            1 => Frame::priority(stream(index), 0),
            2 => Frame::new(kind::UNKNOWN, 0, 0, &[]),
            3 => Frame::new(kind::UNKNOWN, 0xff, 7, &large),
            // RFC 9218 7.1.
            4 => Frame::new(0x10, 0, 0, b"\0\0\0\x01u=0"),
            _ => Frame::goaway(0, 0),
        };
        frame.encode()
    });
    let sent = sent.await;
    was_bounded(peer, sent).await
}

async fn window_updates(target: Target, form: usize) -> Result<(), String> {
    let mut peer = target.greet(&[]).await?;
    let id = match form {
        0 => 0,
        1 => {
            peer.send(&open(&target, 1, "Hold")).await;
            1
        }
        _ => {
            still_serves(&mut peer, &target, 1).await?;
            1
        }
    };
    let octets = Frame::window_update(id, 1).encode();
    let sent = flood(&mut peer, Answers::Read, target.volume, |_| octets.clone()).await;
    was_bounded(peer, sent).await
}

async fn closed_streams(target: Target, form: usize) -> Result<(), String> {
    let mut peer = target.greet(&[]).await?;
    let request = grpc_request(&target.authority, &Target::path("Hold"));
    match form {
        0..=2 => {
            peer.send(&open(&target, 1, "Hold")).await;
            peer.send(&Frame::reset(1, 8)).await;
        }
        _ => {
            // Makes us reset it: there is no field `connection` in HTTP/2.
            let block = request.clone().literal("connection", "close");
            peer.send(&Frame::headers(1, 0, block.octets())).await;
        }
    }
    let sent = flood(&mut peer, Answers::Read, target.volume, |_| {
        let frame = match form {
            // What we had not heard of a reset is bounded by the window: 65,535 octets.
            0 | 3 => Frame::data(1, 0, &[0; 100]),
            1 | 4 => Frame::headers(1, 0, request.octets()),
            _ => Frame::reset(1, 8),
        };
        frame.encode()
    });
    sent.await;
    let said = Said::all(&mut peer, PATIENCE).await;
    match said.is_closed || target.is_member() {
        true => Ok(()),
        false => Err(format!("still open after {} resets", said.resets.len())),
    }
}
