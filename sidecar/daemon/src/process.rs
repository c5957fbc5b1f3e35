//! The start of the process, in order.
//!
//! Everything that can be wrong is read and opened before anything runs, so that an error leaves
//! nothing half-started; the ready line comes last. Knows the parts, not their work.

use std::net::SocketAddr;
use std::sync::Arc;

use outrider_engine::config::Settings;
use outrider_host::Rereads;
use outrider_policy::request_id;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::admin::{self, Admin};
use crate::clock::{self, Clock};
use crate::config_source::{ConfigSource, Run};
use crate::control::configuration::Configuration;
use crate::control::status::Phase;
use crate::error::StartupError;
use crate::options::Options;
use crate::supervisor::Supervisor;
use crate::telemetry::{AccessLogWriter, Metrics, Origin, Recorder, Spans};
use crate::worker::{self, BATCHES_MAX, InitialState, Memory, Workers};

/// The addresses in use, with the ports the system picked for `:0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Addresses {
    /// Where the application's calls come in.
    pub outbound: SocketAddr,
    /// Where other sidecars' calls come in; `None` for a service that only makes calls.
    pub inbound: Option<SocketAddr>,
    /// Where metrics, health and status are served.
    pub admin: SocketAddr,
}

/// Runs a sidecar until `stops` has drained it; files are looked at again when `rereads` says so.
/// `ready` is called when its listeners are open and
/// served; whether calls should be sent, `/readyz` says.
///
/// The listeners are open before the names of endpoints are asked for, the workers start after:
/// who calls early waits in the kernel's backlog and finds a configuration and an identity.
pub async fn serve(
    options: Options,
    stops: mpsc::Receiver<()>,
    rereads: Rereads,
    ready: impl FnOnce(&Addresses),
) -> Result<(), StartupError> {
    options.check()?;
    let clock = Clock::start();
    let metrics = Arc::new(Metrics::new());
    let instance = instance();
    let source = ConfigSource::open(clock, &options, &instance, &metrics)?;
    let mut configuration = Configuration::new(
        clock,
        options.inbound_listener(),
        Arc::clone(&metrics),
        source.updates(),
    );
    let log = open_log(clock, &options)?;
    let log_watch = log.watch().run(rereads.clone(), Arc::clone(&metrics));
    let (admin_listener, admin) = bind_admin(options.admin).await?;
    let (traffic, listeners) = worker::open(&options)?;
    let addresses = Addresses {
        outbound: traffic.outbound,
        inbound: traffic.inbound,
        admin,
    };
    configuration.resolve_first(source.names_wait()).await;
    let initial = InitialState {
        snapshot: configuration.renew(),
        identity: source.material(),
        memory: Memory::new(options.memory_limit.bytes()),
    };
    let (reports_in, reports) = mpsc::channel(BATCHES_MAX);
    let workers = worker::start(clock, &settings(&options), &initial, listeners, &reports_in)
        .map_err(|error| StartupError::system("the workers", error))?;
    // The workers hold the other ends: when all have ended the queue says so.
    drop(reports_in);
    let spans = export_spans(clock, &options, &instance, &metrics);
    let known = configuration.known();
    let recorder = Recorder::new(&options.service, Arc::clone(&metrics), known, log, spans);
    let (phase, phases) = watch::channel(Phase::Serving);
    let admin = pages(clock, &workers, &metrics, &configuration, &source, phases);
    let mut tasks = JoinSet::new();
    tasks.spawn(log_watch);
    let run = Run {
        instance,
        addresses: &addresses,
        rereads,
    };
    let mesh = source.follow(&options, run, &workers, &metrics, &mut tasks);
    tasks.spawn(admin::serve(admin_listener, admin));
    tasks.spawn(configuration.run(workers.clone()));
    tracing::info!(service = %options.service, outbound = %addresses.outbound, "ready");
    ready(&addresses);
    Supervisor {
        clock,
        drain: options.drain,
        workers,
        recorder,
        phase,
        tasks,
        reports,
        stops,
        mesh,
    }
    .run()
    .await
}

fn pages(
    clock: Clock,
    workers: &Workers,
    metrics: &Arc<Metrics>,
    configuration: &Configuration,
    source: &ConfigSource,
    phase: watch::Receiver<Phase>,
) -> Admin {
    Admin {
        clock,
        workers: workers.clone(),
        metrics: Arc::clone(metrics),
        configuration: configuration.status(),
        identity: source.identity(),
        member: source.member(),
        phase,
    }
}

fn settings(options: &Options) -> Settings {
    Settings {
        app: options.app,
        outbound_streams_max: options.limits.outbound_streams,
        inbound_streams_max: options.limits.inbound_streams,
        http2: options.limits.http2.clone(),
        handshakes_max: options.limits.handshakes as usize,
        window_growth_bytes: options.limits.window_growth_bytes as usize,
        ..Settings::new(&options.service)
    }
}

/// Tells this run of the process from all others.
fn instance() -> String {
    let random = u128::from(clock::seed()) << 64 | u128::from(clock::seed());
    String::from_utf8_lossy(&request_id(random)).into_owned()
}

fn open_log(clock: Clock, options: &Options) -> Result<AccessLogWriter, StartupError> {
    let file = options.access_log_file.as_deref();
    AccessLogWriter::open(clock, options.access_log, file).map_err(|error| StartupError::Flag {
        flag: "--access-log-file",
        problem: format!("cannot be opened for appending: {error}"),
    })
}

/// Spans are made only with a collector configured.
fn export_spans(
    clock: Clock,
    options: &Options,
    instance: &str,
    metrics: &Arc<Metrics>,
) -> Option<Spans> {
    let collector = options.otlp.clone()?;
    let origin = Origin {
        service: options.service.clone(),
        namespace: options.namespace.clone(),
        instance: instance.to_owned(),
    };
    let metrics = Arc::clone(metrics);
    Some(Spans::export_to(collector, origin, clock, metrics))
}

async fn bind_admin(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartupError> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|source| StartupError::Listen {
        address,
        side: "the admin pages",
        flag: "--admin",
        source,
    })?;
    let bound = listener.local_addr();
    let bound = bound.map_err(|error| StartupError::system("the admin listener", error))?;
    Ok((listener, bound))
}
