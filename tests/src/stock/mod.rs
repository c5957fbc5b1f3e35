//! Stock clients and servers under ordinary heavy use, directly and through a pair of sidecars with
//! mutual TLS: what works directly works through the pair, and no limit of it trips.
//!
//! The peers' programs are those of the control; [`loads`] has what they are asked for. `page.rs`
//! writes docs/STOCK.md.

pub mod loads;
pub mod nghttp2;
pub mod page;

mod counters;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::control::case::{Case, Ground};
use crate::control::peer::{self, Client};
use crate::control::{Ended, outcome};
use crate::hops::Way;
use crate::interop::Peer;
use crate::interop::process::Server;

pub use loads::Size;

/// One load between two peers.
#[derive(Clone, Debug)]
pub struct Row {
    /// Who calls.
    pub client: &'static str,
    /// Who answers.
    pub server: &'static str,
    /// What.
    pub load: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Time without sidecars, and through the pair.
    pub took: [Duration; 2],
}

/// What came of a load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The same both ways, and nothing tripped.
    Same,
    /// It does not work without sidecars either; why.
    NotOffered(String),
    /// It works only without them, or something tripped; what.
    Failed(String),
}

/// Each client against one server, and each server once: for CI.
pub const QUICK: &[(Peer, Peer)] = &[
    (Peer::Go, Peer::Python),
    (Peer::Java, Peer::Go),
    (Peer::Python, Peer::Tonic),
    (Peer::Node, Peer::Java),
    (Peer::Tonic, Peer::Node),
];

/// Runs `loads` between those of `peers` that are `wanted`; `told` hears of each row.
pub async fn run(
    loads: &[Case],
    peers: &[Peer],
    wanted: impl Fn(Peer, Peer) -> bool,
    mut told: impl FnMut(&Row),
) -> Vec<Row> {
    let mut grounds: BTreeMap<&Ground, Vec<&Case>> = BTreeMap::new();
    for load in loads {
        grounds.entry(&load.ground).or_default().push(load);
    }
    let mut rows = Vec::new();
    for &server in peers {
        let clients: Vec<Peer> = peers
            .iter()
            .copied()
            .filter(|client| wanted(*client, server))
            .collect();
        if clients.is_empty() {
            continue;
        }
        for (ground, loads) in &grounds {
            let process = peer::serve(server, &ground.server).await;
            let way = Way::to(ground.served(&[]), ground.hops, process.address).await;
            for &client in &clients {
                let mut both = Both {
                    process: &process,
                    way: &way,
                    client: Client::start(client),
                };
                for load in loads {
                    let (outcome, took) = both.run(load).await;
                    rows.push(Row {
                        client: client.name(),
                        server: server.name(),
                        load: load.name.clone(),
                        outcome,
                        took,
                    });
                    told(&rows[rows.len() - 1]);
                }
            }
        }
    }
    rows
}

/// A client with both ways to a server.
struct Both<'a> {
    process: &'a Server,
    way: &'a Way,
    client: Client,
}

/// Times that a load is run directly before the mesh is at fault for it: two peers may get on most
/// times only.
const DIRECT_RUNS: usize = 5;

impl Both<'_> {
    async fn run(&mut self, load: &Case) -> (Outcome, [Duration; 2]) {
        let begun = Instant::now();
        let mut direct = self.directly(load).await;
        let first = begun.elapsed();
        let before = counters::of(self.way).await;
        let begun = Instant::now();
        let through = self.client.run(load, self.way.address()).await;
        let took = [first, begun.elapsed()];
        let tripped = counters::told(&before, counters::of(self.way).await);
        let mut runs = 1;
        loop {
            let judged = match direct {
                Err(why) => return (Outcome::NotOffered(why), took),
                Ok(direct) => judge(&direct, &through, &tripped),
            };
            if judged == Outcome::Same || runs == DIRECT_RUNS {
                return (judged, took);
            }
            direct = self.directly(load).await;
            runs += 1;
        }
    }

    /// The control: an error where it does not end as it must.
    async fn directly(&mut self, load: &Case) -> Ended {
        let ended = self.client.run(load, self.process.address).await?;
        match ended.complaint(load) {
            Some(complaint) => Err(complaint),
            None => Ok(ended),
        }
    }
}

fn judge(direct: &outcome::Outcome, through: &Ended, tripped: &str) -> Outcome {
    match through {
        Err(why) => Outcome::Failed(format!("{why}; tripped: {tripped}")),
        Ok(through) if through != direct => {
            Outcome::Failed(format!("{}; tripped: {tripped}", through.lines()))
        }
        Ok(_) if !tripped.is_empty() => Outcome::Failed(format!("tripped: {tripped}")),
        Ok(_) => Outcome::Same,
    }
}
