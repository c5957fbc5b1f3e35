//! `outrider demo`: the whole mesh on this machine, a steady load, and what can go wrong.
//!
//! Starts real processes ([`mesh`]), lets customers call ([`load`]) while it plays the [`scenes`],
//! and tells what was seen ([`tally`], [`observe`], [`report`]). One thread, no locks: scenes and
//! load take turns in one task and share two cells.

mod control_plane;
mod documents;
mod endpoints;
mod folder;
mod load;
mod member;
mod mesh;
mod observe;
mod play;
mod processes;
mod report;
mod scenes;
mod table;
mod tally;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use clap::ValueEnum;
use outrider_host::forward_signals;
use tokio::sync::mpsc;
use tonic::transport::Uri;

use crate::failure::Failure;
use crate::output;
use mesh::Mesh;
use observe::Observer;
use play::Play;
use report::{Report, Seen};
use scenes::Scene;
use table::Progress;
use tally::Tallies;

/// How long, and what to print at the end.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Length of all scenes together, 6 to 3600 seconds.
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(6..=3600))]
    seconds: u32,
    /// Print one JSON object instead of text.
    #[arg(long, value_enum)]
    report: Option<Format>,
    /// Collector that takes the spans of every call by OTLP/gRPC, http://HOST:PORT.
    #[arg(long, env = "OUTRIDER_OTLP", value_name = "URL")]
    otlp: Option<Uri>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One object, see `report::Report`.
    Json,
}

/// Runs the demo. Fails if a promise was broken that the demo is there to show.
pub fn run(args: &Args) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Failure::runtime("cannot start the demo", &error))?;
    let report = runtime.block_on(until_stopped(show(args)))?;
    match args.report {
        Some(Format::Json) => output::print_line(&serde_json::json!(report).to_string())?,
        None => output::print_line(&format!("\n{}", table::summary(&report)))?,
    }
    report.verdict()
}

/// Dropping the demo kills every process it has started. Signals mean what they mean to these.
async fn until_stopped<T>(demo: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let (stop, mut stops) = mpsc::channel(1);
    forward_signals(stop).map_err(|error| Failure::runtime("cannot listen for signals", &error))?;
    tokio::select! {
        outcome = demo => outcome,
        Some(()) = stops.recv() => {
            Err(Failure::Runtime("stopped by a signal, and every process with it".to_owned()))
        }
    }
}

async fn show(args: &Args) -> Result<Report, Failure> {
    eprintln!("starting a control plane and the shop, with a sidecar beside each of its instances");
    let mut mesh = Mesh::start(args.otlp.clone()).await?;
    let entry = mesh.sidecar("load")?.outbound;
    let scene = Cell::new(Some(Scene::AllWell));
    let tallies = RefCell::new(Tallies::default());
    let mut play = Play {
        each: Duration::from_secs(args.seconds.into()) / Scene::ALL.len() as u32,
        mesh: &mut mesh,
        observer: Observer::new(),
        progress: Progress::new(args.report),
        scene: &scene,
        tallies: &tallies,
    };
    let (played, ()) = tokio::join!(play.all(), load::run(entry, &scene, &tallies));
    played?;
    let (counts, orders) = (play.look().await, play.orders().await?);
    let late_work = mesh.late_work().await?;
    let control_plane = mesh.control_plane_counts().await;
    mesh.stop().await?;
    let seen = Seen {
        counts,
        control_plane,
        orders,
        late_work,
    };
    Ok(Report::new(&tallies.borrow(), seen))
}
