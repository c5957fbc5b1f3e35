//! All hostile backends behind one proxy, each behind a fresh process.

use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::options::Options;
use super::peers::Peer;
use crate::hostile::backends::{self, Form, Place};
use crate::hostile::ground::{Proxy, SERVICE};

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
}

/// What a status may come behind its deadline.
const LATE_MAX: Duration = Duration::from_millis(250);
/// Longest until a proxy listens.
const START_MAX: Duration = Duration::from_secs(15);
/// Forms at once.
const AT_ONCE: usize = 4;

/// Runs all forms against our sidecar, or against a proxy of others.
pub async fn run(options: &Options, peer: Option<&Peer>) -> Endured {
    let mut forms = backends::all();
    forms.retain(|form| options.wants(form.name));
    let mut endured = Endured {
        forms: forms.len(),
        broken: Vec::new(),
        slowest: Duration::ZERO,
        recovered: Duration::ZERO,
    };
    let mut runs = JoinSet::new();
    for form in forms {
        if runs.len() == AT_ONCE {
            endured.note(runs.join_next().await);
        }
        let (options, peer) = (options.clone(), peer.cloned());
        runs.spawn(async move { (form.name, one(&options, peer.as_ref(), form).await) });
    }
    while let Some(ended) = runs.join_next().await {
        endured.note(Some(ended));
    }
    endured.broken.sort();
    endured
}

type Ended = (&'static str, Result<backends::Endured, String>);

impl Endured {
    fn note(&mut self, ended: Option<Result<Ended, tokio::task::JoinError>>) {
        match ended {
            Some(Ok((_, Ok(one)))) => {
                self.slowest = self.slowest.max(one.slowest);
                self.recovered = self.recovered.max(one.recovered);
            }
            Some(Ok((name, Err(why)))) => self.broken.push(format!("{name}: {why}")),
            Some(Err(error)) => self.broken.push(error.to_string()),
            None => {}
        }
    }
}

async fn one(
    options: &Options,
    peer: Option<&Peer>,
    form: Form,
) -> Result<backends::Endured, String> {
    let folder = super::suite::folder()?;
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.map_err(|error| error.to_string())?;
    let backend = listener.local_addr().map_err(|error| error.to_string())?;
    let proxy = match peer {
        Some(peer) => peer.start(folder.path(), backend),
        None => Proxy::ours(&options.program, folder.path(), backend).await,
    };
    let mut proxy = proxy.map_err(|error| format!("it does not start: {error}"))?;
    until_it_listens(&proxy).await?;
    let place = Place {
        proxy: proxy.address,
        authority: SERVICE.to_owned(),
        listener,
    };
    let endured = backends::run(form, place, LATE_MAX).await;
    match proxy.lives() {
        true => endured,
        false => Err("the process ended".to_owned()),
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
