//! Streams that are opened to be reset, by the client or by us.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::flood::{Answers, flood, stream};
use crate::hostile::said::still_serves;
use crate::hostile::{Class, Said, Target, code, open};
use crate::raw::{Frame, Peer, Sent, flag, grpc_request, kind};

pub(super) const CLASSES: &[Class] = &[
    Class {
        name: "rapid_reset_cve_2023_44487",
        source: "CVE-2023-44487",
        forms: &[
            "head_and_reset",
            "head_data_and_reset",
            "reset_with_no_error",
            "100_heads_then_100_resets",
            "500_a_second",
        ],
        run: |target, form| Box::pin(rapid_reset(target, form)),
    },
    Class {
        name: "legitimate_bursts_of_cancellation",
        source: "faults.md: a burst of 25 is no attack",
        forms: &["burst_of_25", "40_a_second", "burst_of_150_after_work"],
        run: |target, form| Box::pin(legitimate(target, form)),
    },
    Class {
        name: "made_you_reset_cve_2025_8671",
        source: "CVE-2025-8671",
        forms: &[
            "window_update_of_0",
            "window_overflow",
            "data_after_end_stream",
            "self_dependency",
            "body_above_content_length",
            "priority_of_wrong_size",
            "head_after_end_stream",
        ],
        run: |target, form| Box::pin(made_you_reset(target, form)),
    },
    Class {
        name: "max_concurrent_streams_ignored",
        source: "faults.md: MAX_CONCURRENT_STREAMS ignored",
        forms: &["heads_left_open", "heads_ended"],
        run: |target, form| Box::pin(too_many_streams(target, form)),
    },
];

/// Resets that reach a backend from one connection at once.
fn burst(target: &Target) -> u64 {
    if target.is_member() { 400 } else { 200 }
}

/// And again each second: a member cancels for all its callers.
fn per_second(target: &Target) -> u64 {
    if target.is_member() { 1_000 } else { 50 }
}

/// Streams we announce: to another sidecar, and to the own application.
fn announced(target: &Target) -> u64 {
    if target.is_member() { 1_000 } else { 8_000 }
}

const PATIENCE: Duration = Duration::from_secs(2);

async fn rapid_reset(target: Target, form: usize) -> Result<(), String> {
    let mut peer = target.greet(&[]).await?;
    let before = target.seen.attack_heads().await;
    let began = tokio::time::Instant::now();
    match form {
        0 => pairs(&mut peer, &target, code::CANCEL, &[]).await,
        1 => pairs(&mut peer, &target, code::CANCEL, b"\0\0\0\0\0").await,
        2 => pairs(&mut peer, &target, code::NO_ERROR, &[]).await,
        3 => batches(&mut peer, &target).await,
        _ => paced(&mut peer, &target, 500, 5).await,
    };
    let said = Said::all(&mut peer, PATIENCE).await;
    let seconds = began.elapsed().as_secs() + 1;
    let reached = target.seen.attack_heads().await.saturating_sub(before);
    // A batch is opened whole before its first reset comes, and may be: it is less than announced.
    let open_at_once = if form == 3 { 100 } else { 0 };
    let allowed = burst(&target) + open_at_once + per_second(&target) * seconds;
    if reached > allowed {
        return Err(format!(
            "{reached} requests reached the backend, {allowed} may"
        ));
    }
    match (target.is_member(), form) {
        // Half of what a member may.
        (true, 4) => still_serves(&mut peer, &target, stream(2_500)).await,
        (true, _) => {
            lives(&said)?;
            still_serves(&mut peer, &target, stream(target.volume)).await
        }
        (false, _) => said.was_calmed(),
    }
}

/// A member of the mesh never loses its connection for what it takes back: the calls of all its callers
/// are on it.
fn lives(said: &Said) -> Result<(), String> {
    match (said.goaway, said.is_closed) {
        (None, false) => Ok(()),
        (goaway, closed) => Err(format!("GOAWAY {goaway:?}, closed: {closed}")),
    }
}

/// A member of the mesh is refused streams, and never loses its connection for it.
fn was_refused(said: &Said) -> Result<(), String> {
    let refused = |found: &u32| *found == code::REFUSED_STREAM;
    let refused = said.resets.values().copied().filter(refused).count();
    match (said.goaway, said.is_closed, refused) {
        (None, false, 1..) => Ok(()),
        (goaway, closed, refused) => Err(format!(
            "{refused} streams were refused; GOAWAY {goaway:?}, closed: {closed}"
        )),
    }
}

async fn pairs(peer: &mut Peer, target: &Target, code: u32, body: &[u8]) -> Sent {
    flood(peer, Answers::Read, target.volume, |index| {
        let mut octets = open(target, stream(index), "Hold").encode();
        if !body.is_empty() {
            octets.extend(Frame::data(stream(index), 0, body).encode());
        }
        octets.extend(Frame::reset(stream(index), code).encode());
        octets
    })
    .await
}

async fn batches(peer: &mut Peer, target: &Target) -> Sent {
    flood(peer, Answers::Read, target.volume / 100, |batch| {
        let streams = (100 * batch..100 * (batch + 1)).map(stream);
        let heads = streams.clone().map(|id| open(target, id, "Hold").encode());
        let resets = streams.map(|id| Frame::reset(id, code::CANCEL).encode());
        heads.chain(resets).flatten().collect()
    })
    .await
}

async fn paced(peer: &mut Peer, target: &Target, per_second: usize, seconds: usize) -> Sent {
    let mut ticks = interval(Duration::from_millis(20));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let each = per_second / 50;
    for tick in 0..50 * seconds {
        ticks.tick().await;
        let streams = (each * tick..each * (tick + 1)).map(stream);
        let octets: Vec<u8> = streams.flat_map(|id| cancelled(target, id)).collect();
        let sent = peer.send_reading(&octets).await;
        if sent != Sent::All {
            return sent;
        }
    }
    Sent::All
}

fn cancelled(target: &Target, id: u32) -> Vec<u8> {
    let mut octets = open(target, id, "Hold").encode();
    octets.extend(Frame::reset(id, code::CANCEL).encode());
    octets
}

async fn legitimate(target: Target, form: usize) -> Result<(), String> {
    let mut peer = target.greet(&[]).await?;
    let last = match form {
        0 => {
            let burst: Vec<u8> = (0..25)
                .flat_map(|index| cancelled(&target, stream(index)))
                .collect();
            peer.send_reading(&burst).await;
            stream(25)
        }
        1 => {
            // Below 50 a second, for longer than the burst of 200 lasts.
            let mut ticks = interval(Duration::from_millis(25));
            for index in 0..60 {
                ticks.tick().await;
                peer.send_reading(&cancelled(&target, stream(index))).await;
            }
            stream(60)
        }
        _ => {
            for round in 0..3 {
                let first = 160 * round;
                for index in first..first + 10 {
                    still_serves(&mut peer, &target, stream(index)).await?;
                }
                let burst = (first + 10..first + 70).map(stream);
                let burst: Vec<u8> = burst.flat_map(|id| cancelled(&target, id)).collect();
                peer.send_reading(&burst).await;
            }
            stream(480)
        }
    };
    still_serves(&mut peer, &target, last).await
}

async fn made_you_reset(target: Target, form: usize) -> Result<(), String> {
    let mut peer = target.greet(&[]).await?;
    let before = target.seen.attack_heads().await;
    target.seen.forget_most();
    let sent = flood(&mut peer, Answers::Read, target.volume, |index| {
        provocation(&target, stream(index), form)
    });
    sent.await;
    let said = Said::all(&mut peer, PATIENCE).await;
    let reached = target.seen.attack_heads().await.saturating_sub(before);
    let at_once = target.seen.in_flight_max();
    if at_once > announced(&target) + 4 {
        return Err(format!("{at_once} requests at once reached the backend"));
    }
    if reached > announced(&target) + burst(&target) + per_second(&target) * 8 {
        return Err(format!("{reached} requests reached the backend"));
    }
    match said.is_closed || target.is_member() {
        true => Ok(()),
        false => Err(format!("still open after {} resets", said.resets.len())),
    }
}

/// A request, and what makes us reset it.
fn provocation(target: &Target, id: u32, form: usize) -> Vec<u8> {
    let request = grpc_request(&target.authority, &Target::path("Hold"));
    let head = |flags| Frame::headers(id, flags, request.octets());
    let frames = match form {
        0 => vec![head(0), Frame::window_update(id, 0)],
        1 => vec![head(0), Frame::window_update(id, 0x7fff_ffff)],
        2 => vec![head(flag::END_STREAM), Frame::data(id, 0, b"late")],
        3 => vec![head(0), Frame::priority(id, id)],
        4 => {
            let block = request.literal("content-length", "1");
            vec![
                Frame::headers(id, 0, block.octets()),
                Frame::data(id, 0, b"two"),
            ]
        }
        5 => vec![head(0), Frame::new(kind::PRIORITY, 0, id, &[0; 4])],
        _ => vec![head(flag::END_STREAM), head(flag::END_STREAM)],
    };
    frames.iter().flat_map(Frame::encode).collect()
}

/// Streams that an application may have refused before it is closed: the flat allowance, what time adds
/// in some seconds, and what the streams that are taken earn, five frames each; a refused one costs two.
fn patience(target: &Target) -> usize {
    let taken = usize::try_from(announced(target)).unwrap_or_default();
    (1_000 + 1_000 + 5 * taken) / 2
}

async fn too_many_streams(target: Target, form: usize) -> Result<(), String> {
    let mut peer = target.greet(&[]).await?;
    target.seen.forget_most();
    let block = grpc_request(&target.authority, &Target::path("Hold"));
    let flags = if form == 0 { 0 } else { flag::END_STREAM };
    // Enough, and little more: what is sent behind GOAWAY may cost its reader the GOAWAY.
    let taken = usize::try_from(announced(&target)).unwrap_or_default();
    let volume = taken + patience(&target) + 1_000;
    let sent = flood(&mut peer, Answers::Read, volume, |index| {
        Frame::headers(stream(index), flags, block.octets()).encode()
    });
    sent.await;
    let said = Said::all(&mut peer, PATIENCE).await;
    let at_once = target.seen.in_flight_max();
    if at_once > announced(&target) + 4 {
        return Err(format!("{at_once} requests at once reached the backend"));
    }
    if target.is_member() {
        return was_refused(&said);
    }
    let refused = |found: &&u32| **found == code::REFUSED_STREAM;
    match said.resets.values().filter(refused).count() {
        0 => {}
        many if many > patience(&target) => {
            return Err(format!("{many} streams were refused before the end"));
        }
        _ => return said.was_calmed(),
    }
    // With the ceiling of calls reached first, what is over it was answered, and so not too many.
    let exhausted = |(name, value): &(String, String)| name == "grpc-status" && value == "8";
    match said.fields.values().flatten().any(exhausted) {
        true => Ok(()),
        false => Err("no stream was refused".to_owned()),
    }
}
