//! `outrider sidecar`: the command line of a sidecar, converted to the daemon's options.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::ValueEnum;
use outrider_daemon::{AccessLog, IdentityFiles, Limits, Membership, MemoryLimit, Options, Source};
use tonic::transport::Uri;

use crate::failure::Failure;
use crate::parent;

/// Every flag can also be given as the environment variable shown.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the service this sidecar stands beside.
    #[arg(long, env = "OUTRIDER_SERVICE", value_name = "NAME")]
    service: String,
    /// Namespace of that service.
    #[arg(
        long,
        env = "OUTRIDER_NAMESPACE",
        value_name = "NAME",
        default_value = "default"
    )]
    namespace: String,
    /// Folder of documents that configure the mesh; watched while running.
    #[arg(long, env = "OUTRIDER_DOCUMENTS", value_name = "DIR")]
    documents: Option<PathBuf>,
    /// Control plane that configures this sidecar and gives it its identity, https://HOST:PORT.
    #[arg(long, env = "OUTRIDER_CONTROL_PLANE", value_name = "URL", required_unless_present = "documents", conflicts_with_all = ["documents", "certificate"], requires = "data")]
    control_plane: Option<Uri>,
    /// Token to join the control plane's mesh with; not needed once --data holds an identity.
    #[arg(
        long,
        env = "OUTRIDER_TOKEN_FILE",
        value_name = "FILE",
        requires = "control_plane"
    )]
    token_file: Option<PathBuf>,
    /// Where key, certificate and last good configuration are kept.
    #[arg(
        long,
        env = "OUTRIDER_DATA",
        value_name = "DIR",
        requires = "control_plane"
    )]
    data: Option<PathBuf>,
    /// Where other sidecars reach --inbound.
    #[arg(
        long,
        env = "OUTRIDER_ADVERTISE",
        value_name = "ADDR",
        requires = "control_plane"
    )]
    advertise: Option<SocketAddr>,
    /// Where the application sends its calls (plaintext HTTP/2); port 0 takes a free one.
    #[arg(
        long,
        env = "OUTRIDER_OUTBOUND",
        value_name = "ADDR",
        default_value = "127.0.0.1:15001"
    )]
    outbound: SocketAddr,
    /// Where other sidecars send calls (mutual TLS); opened only with --app.
    #[arg(
        long,
        env = "OUTRIDER_INBOUND",
        value_name = "ADDR",
        default_value = "0.0.0.0:15006"
    )]
    inbound: SocketAddr,
    /// Where metrics, health and status are served.
    #[arg(
        long,
        env = "OUTRIDER_ADMIN",
        value_name = "ADDR",
        default_value = "127.0.0.1:15000"
    )]
    admin: SocketAddr,
    /// Where the application listens; without it the service only makes calls.
    #[arg(long, env = "OUTRIDER_APP", value_name = "ADDR")]
    app: Option<SocketAddr>,
    /// Threads that carry traffic, 1 to 128.
    #[arg(long, env = "OUTRIDER_WORKERS", value_name = "N", default_value_t = 1)]
    workers: usize,
    /// Certificate chain (PEM, leaf first); reloaded when it changes.
    #[arg(long, env = "OUTRIDER_CERTIFICATE", value_name = "FILE", requires_all = ["key", "trust_bundle"])]
    certificate: Option<PathBuf>,
    /// Private key of the certificate (PEM).
    #[arg(long, env = "OUTRIDER_KEY", value_name = "FILE", requires_all = ["certificate", "trust_bundle"])]
    key: Option<PathBuf>,
    /// Certificates that sign the identities this sidecar believes (PEM).
    #[arg(long, env = "OUTRIDER_TRUST_BUNDLE", value_name = "FILE", requires_all = ["certificate", "key"])]
    trust_bundle: Option<PathBuf>,
    /// Longest time from SIGTERM to exit, 0 to 3600 seconds.
    #[arg(
        long,
        env = "OUTRIDER_DRAIN",
        value_name = "SECONDS",
        default_value_t = 30
    )]
    drain: u64,
    /// Which calls get a line in the access log.
    #[arg(long, env = "OUTRIDER_ACCESS_LOG", value_enum, default_value_t = AccessLogArg::Errors)]
    access_log: AccessLogArg,
    /// File the access log is appended to instead of standard error.
    #[arg(long, env = "OUTRIDER_ACCESS_LOG_FILE", value_name = "FILE")]
    access_log_file: Option<PathBuf>,
    /// Collector that takes spans by OTLP/gRPC, http://HOST:PORT.
    #[arg(long, env = "OUTRIDER_OTLP", value_name = "URL")]
    otlp: Option<Uri>,
    /// Memory the process may use, in MiB; 0 for no limit. Without it: what its control group allows.
    #[arg(long, env = "OUTRIDER_MEMORY_LIMIT", value_name = "MIB")]
    memory_limit: Option<u32>,
    /// What the peer of one connection may do: NAME=VALUE with commas between.
    #[arg(long, env = "OUTRIDER_LIMITS", value_name = "NAME=VALUE,...")]
    limits: Option<Limits>,
    /// Exit when standard input ends (see `parent`).
    #[arg(long, hide = true)]
    exit_with_stdin: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AccessLogArg {
    Errors,
    All,
}

/// Runs the sidecar until it has drained after SIGTERM.
pub fn run(args: Args) -> Result<(), Failure> {
    let exit_with_stdin = args.exit_with_stdin;
    let options = options(args);
    if exit_with_stdin {
        parent::exit_with_stdin();
    }
    outrider_daemon::run(options).map_err(|error| Failure::startup(&error))
}

fn options(args: Args) -> Options {
    let identity = match (args.certificate, args.key, args.trust_bundle) {
        (Some(certificate), Some(key), Some(trust_bundle)) => Some(IdentityFiles {
            certificate,
            key,
            trust_bundle,
        }),
        // clap has refused one or two of the three.
        (None, None, None) => None,
        (certificate, key, trust_bundle) => {
            unreachable!("{certificate:?} {key:?} {trust_bundle:?}")
        }
    };
    let source = match (args.documents, args.control_plane, args.data) {
        (_, Some(control_plane), Some(data)) => Source::ControlPlane(Membership {
            control_plane,
            token_file: args.token_file,
            data,
            advertise: args.advertise,
        }),
        (Some(folder), None, _) => Source::Documents(folder),
        // clap has refused neither, and a control plane without data.
        (documents, control_plane, data) => {
            unreachable!("{documents:?} {control_plane:?} {data:?}")
        }
    };
    Options {
        service: args.service,
        namespace: args.namespace,
        source,
        outbound: args.outbound,
        inbound: args.inbound,
        admin: args.admin,
        app: args.app,
        workers: args.workers,
        identity,
        drain: Duration::from_secs(args.drain),
        access_log: match args.access_log {
            AccessLogArg::Errors => AccessLog::Errors,
            AccessLogArg::All => AccessLog::All,
        },
        access_log_file: args.access_log_file,
        otlp: args.otlp,
        memory_limit: args
            .memory_limit
            .map_or(MemoryLimit::Cgroup, MemoryLimit::Mebibytes),
        limits: args.limits.unwrap_or_default(),
    }
}
