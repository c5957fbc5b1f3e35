//! Field blocks that are long without end, or small on the wire and large behind it.

use std::time::Duration;

use super::flood::{Answers, flood, stream};
use crate::hostile::said::still_serves;
use crate::hostile::{Class, Said, Target, code};
use crate::raw::{Block, Frame, Peer, flag, grpc_request, kind, setting};

pub(super) const CLASSES: &[Class] = &[
    Class {
        name: "continuation_flood_cve_2024_27316",
        source: "CVE-2024-27316, -28182, -30255",
        forms: &[
            "1_kib_frames",
            "16_kib_frames",
            "frames_of_one_octet",
            "empty_frames",
            "in_trailers",
            "on_a_closed_stream",
        ],
        run: |target, form| Box::pin(continuation_flood(target, form)),
    },
    Class {
        name: "hpack_bomb_cve_2016_6581",
        source: "CVE-2016-6581",
        forms: &[
            "one_entry_8000_times",
            "blocks_of_it_on_many_streams",
            "table_resized_in_each_block",
            "integer_without_end",
            "table_above_the_limit",
        ],
        run: |target, form| Box::pin(hpack_bomb(target, form)),
    },
    Class {
        name: "http2_bomb_cve_2026_47774",
        source: "CVE-2026-47774, -49975",
        forms: &[
            "indexed_fields_of_one_octet",
            "cookie_crumbs",
            "empty_values",
            "held_by_a_zero_window",
        ],
        run: |target, form| Box::pin(http2_bomb(target, form)),
    },
    Class {
        name: "header_list_and_count_limits",
        source: "faults.md: header list and count limits",
        forms: &[
            "40_kib_in_one_field",
            "40_kib_in_many_fields",
            "129_fields",
            "500_fields",
            "40_kib_in_trailers",
            "131_kib_and_more",
            "520_fields",
        ],
        run: |target, form| Box::pin(list_limits(target, form)),
    },
];

const PATIENCE: Duration = Duration::from_secs(2);

/// A connection whose peer may not use a dynamic table, so that its answers can be read in any order.
async fn greeted(target: &Target, window: u32) -> Result<Peer, String> {
    let settings = [
        (setting::HEADER_TABLE_SIZE, 0),
        (setting::INITIAL_WINDOW_SIZE, window),
    ];
    target.greet(&settings).await
}

fn request(target: &Target, method: &str) -> Block {
    grpc_request(&target.authority, &Target::path(method))
}

async fn continuation_flood(target: Target, form: usize) -> Result<(), String> {
    let mut peer = greeted(&target, 65_535).await?;
    let mut field = Block::new().literal("x", vec![b'a'; 1_000]);
    let id = match form {
        1 => {
            field = Block::new().literal("x", vec![b'a'; 16_000]);
            1
        }
        2 => {
            field = Block::new().raw(&[0]);
            1
        }
        3 => {
            field = Block::new();
            1
        }
        4 => {
            let head = Frame::headers(1, 0, request(&target, "Hold").octets());
            peer.send(&head).await;
            1
        }
        5 => {
            still_serves(&mut peer, &target, 1).await?;
            3
        }
        _ => 1,
    };
    let begun = match form {
        4 => Frame::new(kind::HEADERS, flag::END_STREAM, id, &[]),
        _ => Frame::new(kind::HEADERS, 0, id, request(&target, "Hold").octets()),
    };
    peer.send(&begun).await;
    let frame = Frame::continuation(id, 0, field.octets()).encode();
    let sent = flood(&mut peer, Answers::Read, target.volume, |_| frame.clone());
    sent.await;
    Said::all(&mut peer, PATIENCE).await.was_calmed()
}

async fn hpack_bomb(target: Target, form: usize) -> Result<(), String> {
    let mut peer = greeted(&target, 65_535).await?;
    let entry = request(&target, "Hold").incremental("x", vec![b'a'; 4_000]);
    let bomb = |block: Block| block.indexed_times(62, 8_000);
    match form {
        0 => {
            let octets = bomb(entry);
            peer.send_octets(&Frame::headers(1, 0, octets.octets()).encode())
                .await;
        }
        1 => {
            let first = Frame::headers(1, 0, entry.octets());
            peer.send(&first).await;
            let octets = bomb(request(&target, "Hold"));
            let sent = flood(&mut peer, Answers::Read, target.volume / 100, |index| {
                Frame::headers(stream(index + 1), 0, octets.octets()).encode()
            });
            sent.await;
        }
        2 => {
            let mut block = Block::new();
            for _ in 0..3_000 {
                block = block.resize(0).resize(4_096);
            }
            peer.send_octets(&Frame::headers(1, 0, block.octets()).encode())
                .await;
        }
        3 => {
            let block = request(&target, "Hold").raw(&[0xff; 64]);
            peer.send(&Frame::headers(1, 0, block.octets())).await;
        }
        _ => {
            let block = Block::new().resize(1 << 20);
            peer.send(&Frame::headers(1, 0, block.octets())).await;
        }
    }
    let said = Said::all(&mut peer, PATIENCE).await;
    match form {
        0 | 1 => said.was_calmed(),
        // RFC 7541 does not forbid many updates; a block of nothing else is no request.
        2 => match said.goaway {
            None | Some(code::COMPRESSION_ERROR) => Ok(()),
            other => Err(format!("GOAWAY {other:?}")),
        },
        _ => said.ended_with(code::COMPRESSION_ERROR),
    }
}

async fn http2_bomb(target: Target, form: usize) -> Result<(), String> {
    let window = if form == 3 { 0 } else { 65_535 };
    let mut peer = greeted(&target, window).await?;
    let before = target.seen.attack_heads().await;
    let entry = match form {
        1 => Block::new().incremental("cookie", "a"),
        2 => Block::new().incremental("x", ""),
        _ => Block::new().incremental("x", "y"),
    };
    let sent = flood(&mut peer, Answers::Read, 90, |index| {
        let block = match index {
            0 => request(&target, "Large").raw(entry.octets()),
            _ => request(&target, "Large"),
        };
        let block = block.indexed_times(62, 16_000);
        Frame::headers(stream(index), flag::END_STREAM, block.octets()).encode()
    });
    sent.await;
    let said = Said::all(&mut peer, PATIENCE).await;
    let reached = target.seen.attack_heads().await.saturating_sub(before);
    if reached > 0 {
        return Err(format!("{reached} of 90 bombs reached the backend"));
    }
    said.was_calmed()
}

async fn list_limits(target: Target, form: usize) -> Result<(), String> {
    let mut peer = greeted(&target, 65_535).await?;
    let before = target.seen.attack_heads().await;
    let block = match form {
        0 => request(&target, "Echo").literal("x", vec![b'a'; 40_000]),
        1 => (0..40).fold(request(&target, "Echo"), |block, index| {
            block.literal(format!("x-{index}"), vec![b'a'; 1_000])
        }),
        2 => many(&target, 129),
        3 => many(&target, 500),
        4 => return trailers_over_the_limit(&target, &mut peer).await,
        5 => request(&target, "Echo").literal("x", vec![b'a'; 132_000]),
        _ => many(&target, 520),
    };
    send_block(&mut peer, 1, flag::END_STREAM, &block).await;
    if form >= 5 {
        return Said::all(&mut peer, PATIENCE).await.was_calmed();
    }
    let said = Said::until_over(&mut peer, 1, PATIENCE).await;
    if target.seen.attack_heads().await > before {
        return Err("it reached the backend".to_owned());
    }
    match (
        said.goaway,
        said.field(1, "grpc-status"),
        said.field(1, ":status"),
    ) {
        (None, Some("8"), _) | (None, None, Some("431")) => {}
        (goaway, grpc, http) => {
            return Err(format!(
                "GOAWAY {goaway:?}, grpc-status {grpc:?}, :status {http:?}"
            ));
        }
    }
    still_serves(&mut peer, &target, 3).await
}

/// A request of so many fields.
fn many(target: &Target, count: usize) -> Block {
    (6..count).fold(request(target, "Echo"), |block, index| {
        block.literal(format!("x-{index}"), "y")
    })
}

async fn trailers_over_the_limit(target: &Target, peer: &mut Peer) -> Result<(), String> {
    let head = Frame::headers(1, 0, request(target, "Hold").octets());
    peer.send(&head).await;
    let block = Block::new().literal("x", vec![b'a'; 40_000]);
    send_block(peer, 1, flag::END_STREAM, &block).await;
    let said = Said::until_over(peer, 1, PATIENCE).await;
    match (
        said.goaway,
        said.resets.get(&1),
        said.field(1, "grpc-status"),
    ) {
        (None, Some(_), _) | (None, None, Some("8")) => {}
        other => return Err(format!("GOAWAY, RST_STREAM, grpc-status: {other:?}")),
    }
    still_serves(peer, target, 3).await
}

/// A block in as many frames as it needs.
async fn send_block(peer: &mut Peer, id: u32, flags: u8, block: &Block) {
    let mut pieces = block.octets().chunks(16_000).peekable();
    let mut octets = Vec::new();
    let mut is_first = true;
    while let Some(piece) = pieces.next() {
        let (kind, first) = match is_first {
            true => (kind::HEADERS, flags),
            false => (kind::CONTINUATION, 0),
        };
        let end = if pieces.peek().is_none() {
            flag::END_HEADERS
        } else {
            0
        };
        octets.extend(Frame::new(kind, first | end, id, piece).encode());
        is_first = false;
    }
    peer.send_reading(&octets).await;
}
