//! Interop: the gRPC of others through a pair of sidecars with mutual TLS.
//!
//! A server of each implementation gets a pair; the clients of the others run the official cases and
//! ours through it. What fails is run again without sidecars: what fails there too is not offered by
//! the two peers, and no fault of the mesh. [`matrix`] shows the rows.

pub mod case;
pub mod matrix;
pub mod peer;

mod pair;
mod process;
mod tap;

pub use case::Case;
pub use peer::Peer;

use std::net::SocketAddr;

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
    (Peer::Go, Peer::Python),
    (Peer::Java, Peer::Go),
    (Peer::Java, Peer::Node),
    (Peer::Python, Peer::Java),
    (Peer::Python, Peer::Node),
    (Peer::Node, Peer::Go),
    (Peer::Node, Peer::Java),
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
    pairs(present, |client, server| QUICK.contains(&(client, server))).await
}

/// The rows of every client against every server, as far as the peers are there.
pub async fn whole(present: &[Peer]) -> Vec<Row> {
    pairs(present, |_, _| true).await
}

/// Starts each server once, with one pair of sidecars, and one client after the other against it.
async fn pairs(present: &[Peer], wanted: impl Fn(Peer, Peer) -> bool) -> Vec<Row> {
    let mut rows = Vec::new();
    for &server in present {
        let wanted = |client: &&Peer| wanted(**client, server);
        let clients: Vec<Peer> = present.iter().filter(wanted).copied().collect();
        if clients.is_empty() {
            continue;
        }
        let process = Server::start(server).await;
        let pair = Pair::start(process.address).await;
        for client in clients {
            rows.extend(between(client, server, &pair).await);
        }
    }
    rows
}

async fn between(client: Peer, server: Peer, pair: &Pair) -> Vec<Row> {
    let through = ask(client, pair.outbound, &client.cases(), &pair.tap).await;
    let failed: Vec<Case> = through
        .iter()
        .filter(|(_, ended)| ended.is_err())
        .map(|(case, _)| *case)
        .collect();
    let direct = ask(client, pair.tap.address, &failed, &pair.tap).await;
    let row = |(case, ended): (Case, Ended)| Row {
        client,
        server,
        case,
        outcome: judge(ended, direct.iter().find(|(again, _)| *again == case)),
    };
    through.into_iter().map(row).collect()
}

async fn ask(client: Peer, target: SocketAddr, cases: &[Case], tap: &Tap) -> Vec<(Case, Ended)> {
    let mut ended = Vec::new();
    for run in client.client(target, cases) {
        ended.extend(process::run(run, tap).await);
    }
    ended
}

fn judge(through: Ended, direct: Option<&(Case, Ended)>) -> Outcome {
    match (through, direct) {
        (Ok(()), _) => Outcome::Passed,
        (Err(_), Some((_, Err(reason)))) => Outcome::NotOffered(reason.clone()),
        (Err(reason), _) => Outcome::Failed(reason),
    }
}
