//! Interop: the gRPC of others through a pair of sidecars with mutual TLS.
//!
//! A server of each implementation gets a pair; the clients of the others run the official cases and
//! ours through it. What fails is run again without sidecars: what fails there too is not offered by
//! the two peers, and no fault of the mesh. [`matrix`] shows the rows.

pub mod case;
pub mod matrix;
pub mod peer;

pub(crate) mod process;

mod pair;
mod tap;
mod tonic;

pub use case::Case;
pub use peer::Peer;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Semaphore;

use pair::Pair;
use process::{Ended, Server};
use tap::Tap;

/// One case of one client against one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Who calls.
    pub client: Peer,
    /// Who answers.
    pub server: Peer,
    /// What is asked.
    pub case: Case,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It passed through the pair.
    Passed,
    /// It fails without sidecars too; why.
    NotOffered(String),
    /// It fails only through the pair; why.
    Failed(String),
}

/// Each client against two servers of others: for CI and the trust command.
pub const QUICK: &[(Peer, Peer)] = &[
    (Peer::Go, Peer::Java),
    (Peer::Go, Peer::Tonic),
    (Peer::Java, Peer::Go),
    (Peer::Java, Peer::Node),
    (Peer::Python, Peer::Java),
    (Peer::Python, Peer::Node),
    (Peer::Python, Peer::Tonic),
    (Peer::Node, Peer::Go),
    (Peer::Node, Peer::Java),
    (Peer::Tonic, Peer::Java),
    (Peer::Tonic, Peer::Python),
    (Peer::Dubbo, Peer::Go),
    (Peer::Dubbo, Peer::Java),
    (Peer::Go, Peer::Dubbo),
];

/// Peers that are on this machine, and those that are not, each with the first file it lacks.
pub fn present() -> (Vec<Peer>, Vec<String>) {
    let (mut present, mut missing) = (Vec::new(), Vec::new());
    for peer in Peer::ALL {
        match peer.missing() {
            None => present.push(peer),
            Some(path) => missing.push(format!("{} ({})", peer.name(), path.display())),
        }
    }
    (present, missing)
}

/// The rows of [`QUICK`], as far as the peers are there.
pub async fn quick(present: &[Peer]) -> Vec<Row> {
    let wanted = |client, server| QUICK.contains(&(client, server));
    pairs(present, wanted).await
}

/// The rows of every client against every server, as far as the peers are there.
pub async fn whole(present: &[Peer]) -> Vec<Row> {
    pairs(present, |_, _| true).await
}

/// Servers that are asked at a time: much of a case is somebody else's start or deadline.
const SERVERS_AT_ONCE: usize = 2;

/// Asks each server that has a client, and puts the rows into the servers' order.
async fn pairs(present: &[Peer], wanted: impl Fn(Peer, Peer) -> bool) -> Vec<Row> {
    let turns = Arc::new(Semaphore::new(SERVERS_AT_ONCE));
    let mut asked = Vec::new();
    for &server in present {
        let wanted = |client: &Peer| wanted(*client, server);
        let clients: Vec<Peer> = present.iter().copied().filter(wanted).collect();
        if !clients.is_empty() {
            asked.push(tokio::spawn(against(server, clients, Arc::clone(&turns))));
        }
    }
    let mut rows = Vec::new();
    for asked in asked {
        rows.extend(asked.await.expect("a server starts and its clients run"));
    }
    rows
}

/// Starts `server` once, with one pair of sidecars, and one client after the other against it.
async fn against(server: Peer, clients: Vec<Peer>, turns: Arc<Semaphore>) -> Vec<Row> {
    let _turn = turns.acquire().await;
    let process = Server::start(server).await;
    let pair = Pair::start(process.address).await;
    let mut rows = Vec::new();
    for client in clients {
        rows.extend(between(client, server, &pair).await);
    }
    rows
}

async fn between(client: Peer, server: Peer, pair: &Pair) -> Vec<Row> {
    let offered = |case: &Case| client.offers(*case) && server.offers(*case);
    let cases: Vec<Case> = case::all().filter(offered).collect();
    let through = ask(client, pair.outbound, &cases, &pair.tap).await;
    let failed = through.iter().filter(|(_, ended)| ended.is_err());
    let mut direct = direct(client, failed.map(|(case, _)| *case).collect(), pair).await;
    let mut outcome = |case, ended| match ended {
        Ok(()) => Outcome::Passed,
        Err(reason) => match direct.remove(&case) {
            Some(reason) => Outcome::NotOffered(reason),
            None => Outcome::Failed(reason),
        },
    };
    let row = |(case, ended)| Row {
        client,
        server,
        case,
        outcome: outcome(case, ended),
    };
    through.into_iter().map(row).collect()
}

/// Times that a case which fails through the pair is run without it before the mesh is at fault: two
/// peers may get on most times only.
const DIRECT_RUNS: usize = 3;

/// Those of `cases` that fail without sidecars too, and how.
async fn direct(client: Peer, mut cases: Vec<Case>, pair: &Pair) -> BTreeMap<Case, String> {
    let mut known = BTreeMap::new();
    for _ in 0..DIRECT_RUNS {
        for (case, ended) in ask(client, pair.tap.address, &cases, &pair.tap).await {
            if let Err(reason) = ended
                && reason != process::SILENCE
            {
                known.insert(case, reason);
            }
        }
        cases.retain(|case| !known.contains_key(case));
    }
    known
}

async fn ask(client: Peer, target: SocketAddr, cases: &[Case], tap: &Tap) -> Vec<(Case, Ended)> {
    let mut ended = Vec::new();
    if client == Peer::Tonic {
        for &case in cases {
            ended.push((case, ask_tonic(target, case, tap).await));
        }
    }
    for run in client.client(target, cases) {
        ended.extend(process::run(run, tap).await);
    }
    ended
}

async fn ask_tonic(target: SocketAddr, case: Case, tap: &Tap) -> Ended {
    let before = tap.cancelled();
    tonic::client::run(target, case).await?;
    if case == case::CANCEL_SEEN {
        process::cancelled(tap, before + case::CANCELLED_CALLS).await?;
    }
    Ok(())
}
