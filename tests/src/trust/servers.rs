//! All hostile backends behind one proxy, each behind a fresh process.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::options::Options;
use super::peers::Peer;
use super::suite::{folder, promises_of, until_served};
use crate::hostile::backends::{self, Form, Place};
use crate::hostile::ground::{Backend, Outside, Proxy, SERVICE};
use crate::write_plain_service;

/// What a proxy made of hostile backends.
#[derive(Debug)]
pub struct Endured {
    /// Forms run.
    pub forms: usize,
    /// Those that failed a caller: name, and how.
    pub broken: Vec<String>,
    /// Of the others, the slowest status and the slowest return to a good backend.
    pub slowest: Duration,
    /// See `slowest`.
    pub recovered: Duration,
    /// What was seen of ours from outside, form by form. Others have no service beside the hostile one.
    pub outside: Vec<Outside>,
}

/// What a status may come behind its deadline.
const LATE_MAX: Duration = Duration::from_millis(250);
/// Longest until a proxy listens.
const START_MAX: Duration = Duration::from_secs(15);
/// Forms at once.
const AT_ONCE: usize = 2;
/// The good service beside the hostile one.
const NEIGHBOUR: &str = "neighbour";

/// Runs all forms against our sidecar, or against a proxy of others.
pub async fn run(options: &Options, peer: Option<&Peer>) -> Endured {
    let mut forms = backends::all();
    forms.retain(|form| options.wants(form.name));
    let mut endured = Endured {
        forms: forms.len(),
        broken: Vec::new(),
        slowest: Duration::ZERO,
        recovered: Duration::ZERO,
        outside: Vec::new(),
    };
    let mut runs = JoinSet::new();
    for form in forms {
        if runs.len() == AT_ONCE {
            endured.note(runs.join_next().await);
        }
        let (options, peer) = (options.clone(), peer.cloned());
        runs.spawn(async move {
            let ended = match peer {
                None => ours(&options, form).await,
                Some(peer) => of_others(&peer, form).await.map(|endured| (endured, None)),
            };
            (form.name, ended)
        });
    }
    while let Some(ended) = runs.join_next().await {
        endured.note(Some(ended));
    }
    endured.broken.sort();
    endured
}

type Ended = (
    &'static str,
    Result<(backends::Endured, Option<Outside>), String>,
);

impl Endured {
    fn note(&mut self, ended: Option<Result<Ended, tokio::task::JoinError>>) {
        match ended {
            Some(Ok((name, Ok((one, outside))))) => {
                self.slowest = self.slowest.max(one.slowest);
                self.recovered = self.recovered.max(one.recovered);
                let broken: Vec<String> = outside.iter().flat_map(promises_of).collect();
                if !broken.is_empty() {
                    self.broken.push(format!("{name}: {}", broken.join(", ")));
                }
                self.outside.extend(outside);
            }
            Some(Ok((name, Err(why)))) => self.broken.push(format!("{name}: {why}")),
            Some(Err(error)) => self.broken.push(error.to_string()),
            None => {}
        }
    }
}

/// With a well-behaved client of a good service beside it.
async fn ours(
    options: &Options,
    form: Form,
) -> Result<(backends::Endured, Option<Outside>), String> {
    let (folder, (listener, backend)) = (folder()?, place().await?);
    let (documents, good) = (folder.path().join("documents"), Backend::start().await);
    std::fs::create_dir_all(&documents).map_err(|error| error.to_string())?;
    write_plain_service(&documents, NEIGHBOUR, good.address);
    let proxy = Proxy::ours(&options.program, folder.path(), backend).await;
    let mut proxy = proxy.map_err(|error| format!("it does not start: {error}"))?;
    until_served(&proxy, NEIGHBOUR).await?;
    let run = backends::run(form, behind(&proxy, listener), LATE_MAX);
    let address = proxy.address;
    let (endured, outside) = Outside::of(&mut proxy, address, NEIGHBOUR, run).await;
    match (endured, outside.lives) {
        (Ok(endured), true) => Ok((endured, Some(outside))),
        (Err(why), true) => Err(why),
        (_, false) => Err("the process ended".to_owned()),
    }
}

async fn of_others(peer: &Peer, form: Form) -> Result<backends::Endured, String> {
    let (folder, (listener, backend)) = (folder()?, place().await?);
    let proxy = peer.start(folder.path(), backend);
    let mut proxy = proxy.map_err(|error| format!("it does not start: {error}"))?;
    until_it_listens(&proxy).await?;
    let endured = backends::run(form, behind(&proxy, listener), LATE_MAX).await;
    match proxy.lives() {
        true => endured,
        false => Err("the process ended".to_owned()),
    }
}

/// Where a hostile backend is to stand.
async fn place() -> Result<(TcpListener, SocketAddr), String> {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    Ok((listener, address))
}

fn behind(proxy: &Proxy, listener: TcpListener) -> Place {
    Place {
        proxy: proxy.address,
        authority: SERVICE.to_owned(),
        listener,
    }
}

async fn until_it_listens(proxy: &Proxy) -> Result<(), String> {
    let listens = async {
        while TcpStream::connect(proxy.address).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let listens = timeout(START_MAX, listens).await;
    listens.map_err(|_| "it never listened".to_owned())
}
