//! What the control does, the mesh does: stock clients and servers do what a script says, directly
//! and through sidecars, and an application must see no difference.
//!
//! [`cases`] has the rows, one a line; `tests/peers/README.md` says how to add one. The direct way is
//! the control: what fails there is a fault of the row and not of the mesh, and is a failure too.

pub mod case;
pub mod cases;
pub mod pauses;
pub mod peer;
pub mod resets;
pub mod step;

pub(crate) mod outcome;

mod gate;
mod own;
mod tonic;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::hops::Way;
use crate::interop::Peer;
use case::{Case, Ground};
use gate::Gate;
use peer::Client;

/// Those of `peers` that are on this machine, and the files that others lack.
pub fn present(peers: &[Peer]) -> (Vec<Peer>, Vec<String>) {
    let (mut present, mut missing) = (Vec::new(), Vec::new());
    for &peer in peers {
        match peer::missing(peer) {
            None => present.push(peer),
            Some(path) => missing.push(format!("{} ({})", peer.name(), path.display())),
        }
    }
    (present, missing)
}

/// Servers that are tried at a time.
const SERVERS_AT_ONCE: usize = 4;

/// Runs `cases` between each of `clients` and a server of each of `servers`: a text for each that
/// differs, or that does not end as its row says.
pub async fn differences(cases: Vec<Case>, clients: &[Peer], servers: &[Peer]) -> Vec<String> {
    let grounds = by_ground(cases);
    let turns = Arc::new(Semaphore::new(SERVERS_AT_ONCE));
    let mut tried = Vec::new();
    for (ground, cases) in grounds {
        let cases = Arc::new(cases);
        for &server in servers {
            let trial = Trial {
                ground: ground.clone(),
                cases: Arc::clone(&cases),
                server,
                clients: clients.to_vec(),
            };
            tried.push(tokio::spawn(trial.run(Arc::clone(&turns))));
        }
    }
    let mut differences = Vec::new();
    for tried in tried {
        differences.extend(tried.await.expect("a server starts and its clients run"));
    }
    differences
}

/// Runs `cases` between each of `clients` and a server of ours, which no library would be.
pub async fn differences_at(server: SocketAddr, cases: Vec<Case>, clients: &[Peer]) -> Vec<String> {
    let mut differences = Vec::new();
    for (ground, cases) in by_ground(cases) {
        let trial = Trial {
            ground,
            cases: Arc::new(cases),
            server: Peer::Tonic,
            clients: clients.to_vec(),
        };
        differences.extend(trial.at("a server of ours", server, &[]).await);
    }
    differences
}

fn by_ground(cases: Vec<Case>) -> BTreeMap<Ground, Vec<Case>> {
    let mut grounds: BTreeMap<Ground, Vec<Case>> = BTreeMap::new();
    for case in cases {
        grounds.entry(case.ground.clone()).or_default().push(case);
    }
    grounds
}

/// Cases on one ground against one server.
struct Trial {
    ground: Ground,
    cases: Arc<Vec<Case>>,
    server: Peer,
    clients: Vec<Peer>,
}

impl Trial {
    async fn run(self, turns: Arc<Semaphore>) -> Vec<String> {
        let _turn = turns.acquire().await;
        let name = self.server.name();
        let server = peer::serve(self.server, &self.ground.server).await;
        match self.ground.beside {
            None => self.at(name, server.address, &[]).await,
            Some(option) => {
                let other = peer::serve(self.server, &[option]).await;
                self.at(name, server.address, &[other.address]).await
            }
        }
    }

    /// The same at a server that runs already, where others may stand beside it.
    async fn at(&self, name: &str, server: SocketAddr, others: &[SocketAddr]) -> Vec<String> {
        let gate = Gate::before(server);
        let late = Duration::from_millis(self.ground.late_ms);
        let opening = || (late > Duration::ZERO).then(|| gate.opens_after(late));
        let address = match self.ground.late_ms {
            0 => server,
            _ => gate.address,
        };
        let way = Way::to(self.ground.served(others), self.ground.hops, address).await;
        let mut differences = Vec::new();
        for &peer in &self.clients {
            let mut client = Client::start(peer);
            for case in self.cases.iter() {
                let opens = opening();
                let direct = client.run(case, address).await;
                drop(opens);
                let _opens = opening();
                let through = client.run(&case.of_the_mesh(), way.address()).await;
                let who = format!("{:?}, {} to {name}", case.name, peer.name());
                let told = compare(case, direct, through);
                differences.extend(told.map(|told| format!("{who}: {told}")));
            }
        }
        differences
    }
}

/// How a case ended one way, or why nothing is known of it.
pub(crate) type Ended = Result<outcome::Outcome, String>;

fn compare(case: &Case, direct: Ended, through: Ended) -> Option<String> {
    match (direct, through) {
        (Err(why), _) => Some(format!("without the mesh: {why}")),
        (Ok(_), Err(why)) => Some(format!("through the mesh: {why}")),
        (Ok(direct), Ok(through)) => match direct.complaint(case) {
            Some(complaint) => Some(format!("without the mesh: {complaint}")),
            None => (direct != through).then(|| {
                let (direct, through) = (direct.lines(), through.lines());
                format!("\n    without the mesh:{direct}\n    through it:{through}")
            }),
        },
    }
}
