//! Callers who are nobody, at the port of a sidecar that takes calls of members of the mesh only.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::Authority;
use crate::hostile::{Class, Target};
use crate::joiner::believing_anybody;
use crate::raw::{Door, Frame, PREFACE, Peer, flag, grpc_request};

pub(super) const CLASS: Class = Class {
    name: "callers_who_are_nobody",
    source: "faults.md: TLS and identity",
    forms: &[
        "plaintext_http2",
        "tls_without_a_certificate",
        "certificate_of_another_authority",
    ],
    run: |target, form| Box::pin(callers(target, form)),
};

/// Connections, all at once.
const CALLERS: usize = 1_000;
/// Longest until one is closed while all the others are there, too.
const PATIENCE: Duration = Duration::from_secs(15);

async fn callers(target: Target, form: usize) -> Result<(), String> {
    let tls = match form {
        0 => None,
        1 => Some(believing_anybody(None)),
        _ => Some(Authority::new().client("frontend")),
    };
    let address = target.door.address;
    let before = target.seen.attack_heads().await;
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let tls = tls.clone();
        callers.spawn(turned_away(Door { address, tls }, target.authority.clone()));
    }
    while let Some(ended) = callers.join_next().await {
        ended.map_err(|error| format!("a caller broke: {error}"))??;
    }
    match target.seen.attack_heads().await.saturating_sub(before) {
        0 => Ok(()),
        reached => Err(format!("{reached} requests reached the backend")),
    }
}

/// A whole call, said as soon as the system allows. An end without an answer, in the handshake or
/// behind it, is what is wanted.
async fn turned_away(door: Door, authority: String) -> Result<(), String> {
    let Ok(mut peer) = Peer::connect(door).await else {
        return Ok(());
    };
    let block = grpc_request(&authority, &Target::path("Echo"));
    let mut octets = PREFACE.to_vec();
    octets.extend(Frame::settings(&[]).encode());
    octets.extend(Frame::headers(1, flag::END_STREAM, block.octets()).encode());
    peer.send_octets(&octets).await;
    if !peer.until_closed(PATIENCE).await {
        return Err(format!("still open after {PATIENCE:?}"));
    }
    match peer.unread() {
        // Who speaks plaintext sees TLS end with an alert.
        [] | [ALERT, ..] => Ok(()),
        answer => Err(format!("answered with {} octets", answer.len())),
    }
}

/// Of a TLS record, RFC 8446 5.1.
const ALERT: u8 = 21;
