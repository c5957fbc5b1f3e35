//! The demo: the whole mesh on this machine, a steady load, and what can go wrong.
//!
//! Starts real processes ([`mesh`]), lets customers call ([`load`]) while it plays the [`scenes`],
//! and reports what was seen ([`statistics`], [`observe`], [`report`]). One thread, no locks: scenes and
//! load take turns in one task and share two cells. The processes are this executable with other
//! arguments, so [`run`] works only within `outrider` itself.

mod call;
mod control_plane;
mod documents;
mod endpoints;
mod error;
mod folder;
mod load;
mod member;
mod mesh;
mod observe;
mod processes;
mod report;
mod run;
mod scenes;
mod statistics;
mod table;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use outrider_host::{forward_signals, print};
use tokio::sync::mpsc;
use tonic::transport::Uri;

pub use call::look_up;
pub use error::DemoError;
use mesh::Mesh;
use observe::Observer;
use report::{Observations, Report};
use run::DemoRun;
use scenes::Scene;
use statistics::StatisticsByScene;
use table::Progress;

/// How long, and what to print at the end.
#[derive(Debug)]
pub struct Options {
    /// Length of all scenes together. From 6 s on: a shorter scene ends before its fault shows.
    pub length: Duration,
    /// How the report is printed.
    pub format: Format,
    /// Collector that takes the spans of every call by OTLP/gRPC, http://HOST:PORT.
    pub collector: Option<Uri>,
}

/// How the report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people; the progress is shown as a table if standard output is a terminal.
    Text,
    /// One JSON object, see `report::Report`.
    Json,
}

/// Runs the demo and prints its report.
///
/// # Errors
/// When a process cannot be run, or a promise was broken that the demo is there to show.
pub fn run(options: &Options) -> Result<(), DemoError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| DemoError::caused_by("cannot start the demo", &error))?;
    let report = runtime.block_on(until_stopped(show(options)))?;
    let text = match options.format {
        Format::Json => serde_json::json!(report).to_string(),
        Format::Text => format!("\n{}", table::summary(&report)),
    };
    print(&format!("{text}\n"))
        .map_err(|error| DemoError::caused_by("cannot write to standard output", &error))?;
    report.verdict()
}

/// Dropping the demo kills every process it has started. Signals mean what they mean to these.
async fn until_stopped<T>(
    demo: impl Future<Output = Result<T, DemoError>>,
) -> Result<T, DemoError> {
    let (stop, mut stops) = mpsc::channel(1);
    forward_signals(stop)
        .map_err(|error| DemoError::caused_by("cannot listen for signals", &error))?;
    tokio::select! {
        outcome = demo => outcome,
        Some(()) = stops.recv() => {
            Err(DemoError::new("stopped by a signal, and every process with it".to_owned()))
        }
    }
}

async fn show(options: &Options) -> Result<Report, DemoError> {
    eprintln!("starting a control plane and the shop, with a sidecar beside each of its instances");
    let mut mesh = Mesh::start(options.collector.clone()).await?;
    let entry = mesh.sidecar("load")?.outbound;
    let scene = Cell::new(Some(Scene::AllWell));
    let statistics = RefCell::new(StatisticsByScene::default());
    let mut run = DemoRun {
        each: options.length / Scene::ALL.len() as u32,
        mesh: &mut mesh,
        observer: Observer::new(),
        progress: Progress::new(options.format),
        scene: &scene,
        statistics: &statistics,
    };
    let (played, ()) = tokio::join!(run.all(), load::run(entry, &scene, &statistics));
    played?;
    let (counts, orders) = (run.look().await, run.orders().await?);
    let late_work = mesh.late_work().await?;
    let control_plane = mesh.control_plane_counts().await;
    mesh.stop().await?;
    let observations = Observations {
        counts,
        control_plane,
        orders,
        late_work,
    };
    Ok(Report::new(&statistics.borrow(), observations))
}
