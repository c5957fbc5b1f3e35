//! Bodies that nobody reads, or that drip.

use std::time::Duration;

use tokio::time::interval;

use super::flood::{Answers, flood, stream};
use crate::hostile::said::still_serves;
use crate::hostile::{Class, Said, Target, open};
use crate::raw::{Frame, Heard, Peer, Sent, flag, grpc_request, kind, setting};

pub(super) const CLASSES: &[Class] = &[
    Class {
        name: "slow_read_cve_2019_9517",
        source: "CVE-2019-9517, -9511",
        forms: &[
            "window_of_0",
            "socket_unread",
            "window_of_1",
            "connection_window_used_up",
        ],
        run: |target, form| Box::pin(slow_read(target, form)),
    },
    Class {
        name: "data_dribble_cve_2019_9511",
        source: "CVE-2019-9511",
        forms: &["one_stream", "90_streams"],
        run: |target, form| Box::pin(dribble(target, form)),
    },
    Class {
        name: "slow_body",
        source: "faults.md: slow body",
        forms: &["an_octet_at_a_time", "90_bodies_that_stop"],
        run: |target, form| Box::pin(slow_body(target, form)),
    },
];

/// Streams that nobody reads: as many as another sidecar may open.
const READERS: usize = 100;
/// Streams that drip.
const STREAMS: usize = 90;
/// How long they do while others are served.
const HELD: Duration = Duration::from_millis(1_500);

/// Asks for large answers on all streams.
async fn ask(peer: &mut Peer, target: &Target, streams: usize) -> Sent {
    let block = grpc_request(&target.authority, &Target::path("Large"));
    flood(peer, Answers::Unread, streams, |index| {
        Frame::headers(stream(index), flag::END_STREAM, block.octets()).encode()
    })
    .await
}

async fn slow_read(target: Target, form: usize) -> Result<(), String> {
    let window = match form {
        0 => 0,
        2 => 1,
        3 => 1 << 20,
        _ => 65_535,
    };
    let mut peer = match form {
        1 => Peer::connect_narrow(target.door.clone(), 4_096).await,
        _ => Peer::connect(target.door.clone()).await,
    }
    .map_err(|error| format!("no connection: {error}"))?;
    let greeted = peer
        .greet_as_client(&[(setting::INITIAL_WINDOW_SIZE, window)])
        .await;
    greeted.map_err(|error| format!("no greeting: {error}"))?;
    ask(&mut peer, &target, READERS).await;
    if form == 1 {
        // Nothing is read: only time tells that nobody else is held up.
        tokio::time::sleep(HELD).await;
        return Ok(());
    }
    let said = Said::all(&mut peer, HELD).await;
    let most = match form {
        3 => 65_535,
        _ => READERS * window as usize,
    };
    if said.data_bytes > most {
        return Err(format!(
            "{} octets of DATA, the windows are {most}",
            said.data_bytes
        ));
    }
    match said.is_closed {
        false => Ok(()),
        true => Err(format!("closed with {:?}", said.goaway)),
    }
}

/// Credit of one octet at a time: it may be closed for its window updates, and until then it gets no
/// more than it gave credit for.
async fn dribble(target: Target, form: usize) -> Result<(), String> {
    let streams = if form == 0 { 1 } else { STREAMS };
    let mut peer = target.greet(&[(setting::INITIAL_WINDOW_SIZE, 0)]).await?;
    ask(&mut peer, &target, streams).await;
    let sent = flood(&mut peer, Answers::Read, target.volume, |index| {
        Frame::window_update(stream(index % streams), 1).encode()
    });
    sent.await;
    let said = Said::all(&mut peer, Duration::from_secs(1)).await;
    match said.data_bytes <= target.volume {
        true => Ok(()),
        false => Err(format!(
            "{} octets for {} credits",
            said.data_bytes, target.volume
        )),
    }
}

async fn slow_body(target: Target, form: usize) -> Result<(), String> {
    let mut peer = target.greet(&[]).await?;
    if form == 1 {
        for index in 0..STREAMS {
            peer.send(&open(&target, stream(index), "Echo")).await;
            peer.send(&Frame::data(stream(index), 0, &[0; 3])).await;
        }
        return still_serves(&mut peer, &target, stream(STREAMS)).await;
    }
    peer.send(&open(&target, 1, "Echo")).await;
    let mut ticks = interval(Duration::from_millis(10));
    for _ in 0..100 {
        ticks.tick().await;
        peer.send_reading(&Frame::data(1, 0, b"x").encode()).await;
    }
    peer.send(&Frame::data(1, flag::END_STREAM, &[])).await;
    let ended = peer
        .until(Duration::from_secs(2), |frame| {
            frame.kind == kind::HEADERS && frame.has(flag::END_STREAM)
        })
        .await;
    match ended {
        Heard::Frame(_) => Ok(()),
        other => Err(format!("a slow body was not answered: {other:?}")),
    }
}
