//! Connections that come and go, stay and say nothing, or speak something else.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::hostile::{Class, Target, call};
use crate::raw::{Frame, PREFACE, Peer, kind};

pub(super) const CLASSES: &[Class] = &[
    Class {
        name: "connection_churn",
        source: "faults.md: connection churn",
        forms: &[
            "closed_at_once",
            "greeted_then_closed",
            "reset_in_the_middle_of_a_call",
        ],
        run: |target, form| Box::pin(churn(target, form)),
    },
    Class {
        name: IDLE_CONNECTIONS,
        source: "faults.md: 500 idle connections",
        forms: &["greeted", "after_a_call"],
        run: |target, form| Box::pin(idle(target, form)),
    },
    Class {
        name: "half_a_beginning",
        source: "faults.md: half preface, slow headers",
        forms: &[
            "nothing",
            "half_preface",
            "preface_without_settings",
            "half_frame",
            "half_block",
        ],
        run: |target, form| Box::pin(half(target, form)),
    },
    Class {
        name: "another_protocol",
        source: "faults.md: HTTP/1.1, upgrade, TLS hello, noise",
        forms: &[
            "http_1_1",
            "h2c_upgrade",
            "tls_client_hello",
            "noise",
            "zeros",
            "ssh",
            "connect",
        ],
        run: |target, form| Box::pin(another_protocol(target, form)),
    },
];

/// The class that holds them.
pub(in crate::hostile) const IDLE_CONNECTIONS: &str = "idle_connections";
/// Frames of a flood for each connection of a churn: 5,000 connections where there are 100,000.
const FRAMES_PER_CONNECTION: usize = 20;
/// Connections that idle, and that begin and stop.
pub(in crate::hostile) const IDLE: usize = 500;
const BEGUN: usize = 100;

const PATIENCE: Duration = Duration::from_secs(2);

async fn connect(target: &Target) -> Result<Peer, String> {
    let connected = timeout(PATIENCE, Peer::connect(target.door.clone())).await;
    let connected = connected.map_err(|_| "no connection in time".to_owned())?;
    connected.map_err(|error| format!("no connection: {error}"))
}

async fn churn(target: Target, form: usize) -> Result<(), String> {
    let path = Target::path("Hold");
    for _ in 0..target.volume / FRAMES_PER_CONNECTION {
        let mut peer = connect(&target).await?;
        match form {
            0 => {}
            1 => {
                let greeted = peer.greet_as_client(&[]).await;
                greeted.map_err(|error| format!("no greeting: {error}"))?;
            }
            _ => {
                let block = crate::raw::grpc_request(&target.authority, &path);
                let mut octets = PREFACE.to_vec();
                octets.extend(Frame::settings(&[]).encode());
                octets.extend(Frame::headers(1, 0, block.octets()).encode());
                peer.send_octets(&octets).await;
            }
        }
    }
    Ok(())
}

async fn idle(target: Target, form: usize) -> Result<(), String> {
    let mut kept = Vec::with_capacity(IDLE);
    for _ in 0..IDLE {
        let mut peer = target.greet(&[]).await?;
        if form == 1 {
            call(
                &mut peer,
                1,
                &target.authority,
                &Target::path("Echo"),
                PATIENCE,
            )
            .await?;
        }
        kept.push(peer);
    }
    // All of them are still there: each answers a ping.
    for peer in &mut kept {
        peer.send(&Frame::ping([1; 8])).await;
        let pong = peer.until(PATIENCE, |frame| frame.kind == kind::PING).await;
        if !matches!(pong, crate::raw::Heard::Frame(_)) {
            return Err(format!("an idle connection is gone: {pong:?}"));
        }
    }
    Ok(())
}

/// Held for as long as others are looked at; when we end it is the business of timers.
async fn half(target: Target, form: usize) -> Result<(), String> {
    let mut hello = PREFACE.to_vec();
    match form {
        0 => hello.clear(),
        1 => hello.truncate(10),
        2 => {}
        3 => hello.extend(&Frame::settings(&[]).encode()[..4]),
        _ => {
            hello.extend(Frame::settings(&[]).encode());
            hello.extend(Frame::new(kind::HEADERS, 0, 1, &[0x82]).encode());
        }
    }
    let mut kept = Vec::with_capacity(BEGUN);
    for _ in 0..BEGUN {
        let mut peer = connect(&target).await?;
        peer.send_octets(&hello).await;
        kept.push(peer);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(())
}

async fn another_protocol(target: Target, form: usize) -> Result<(), String> {
    let noise: Vec<u8> = (0_u32..4_096)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let said: &[u8] = match form {
        0 => b"GET / HTTP/1.1\r\nHost: victim\r\n\r\n",
        1 => {
            b"GET / HTTP/1.1\r\nHost: victim\r\nConnection: Upgrade, HTTP2-Settings\r\n\
              Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n"
        }
        // The beginning of a TLS 1.3 ClientHello, RFC 8446 4.1.2.
        2 => &[
            0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03, 0x11, 0x22, 0x33,
        ],
        3 => &noise,
        4 => &[0; 1_024],
        5 => b"SSH-2.0-OpenSSH_9.2\r\n",
        _ => b"CONNECT victim:80 HTTP/1.1\r\nHost: victim:80\r\n\r\n",
    };
    let mut peer = connect(&target).await?;
    let began = Instant::now();
    peer.send_octets(said).await;
    if !peer.until_closed(PATIENCE).await {
        return Err(format!("still open after {PATIENCE:?}"));
    }
    let took = began.elapsed();
    // It may hear in its own words what is spoken here, and no more.
    let answer = peer.unread();
    let is_refused = answer.starts_with(b"HTTP/1.1 4") || answer.starts_with(b"HTTP/1.1 5");
    if answer.starts_with(b"HTTP/1") && !is_refused {
        return Err("served in HTTP/1".to_owned());
    }
    match took <= Duration::from_millis(10) || target.volume < 50_000 {
        true => Ok(()),
        false => Err(format!("closed after {took:?}")),
    }
}
