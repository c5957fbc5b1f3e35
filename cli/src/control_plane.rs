//! `outrider control-plane`: its command line, converted to the control plane's options.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use outrider_control_plane::Options;

use crate::{failure::Failure, parent};

/// Every flag can also be given as the environment variable shown.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of documents that configure the mesh; watched while running.
    #[arg(long, env = "OUTRIDER_DOCUMENTS", value_name = "DIR")]
    documents: Option<PathBuf>,
    /// Folder of all that must outlive the process; one control plane has it at a time.
    #[arg(long, env = "OUTRIDER_DATA", value_name = "DIR")]
    data: PathBuf,
    /// Where sidecars and operators connect (TLS); port 0 takes a free one.
    #[arg(
        long,
        env = "OUTRIDER_LISTEN",
        value_name = "ADDR",
        default_value = "0.0.0.0:15012"
    )]
    listen: SocketAddr,
    /// Where the admin page and metrics are served.
    #[arg(
        long,
        env = "OUTRIDER_ADMIN",
        value_name = "ADDR",
        default_value = "127.0.0.1:15014"
    )]
    admin: SocketAddr,
    /// Life of a sidecar's certificate, 10 to 86400 seconds.
    #[arg(
        long,
        env = "OUTRIDER_CERTIFICATE_LIFE",
        value_name = "SECONDS",
        default_value_t = 86_400
    )]
    certificate_life: u64,
    /// Exit when standard input ends (see `parent`).
    #[arg(long, hide = true)]
    exit_with_stdin: bool,
}

/// Runs the control plane until SIGTERM.
pub fn run(args: Args) -> Result<(), Failure> {
    if args.exit_with_stdin {
        parent::exit_with_stdin();
    }
    // Held to the end: what the end has to say is still written.
    let _log = outrider_daemon::start_log().map_err(|error| Failure::startup(&error))?;
    let options = Options {
        documents: args.documents,
        data: args.data,
        listen: args.listen,
        admin: args.admin,
        certificate_life: Duration::from_secs(args.certificate_life),
    };
    outrider_control_plane::run(options).map_err(|error| Failure::control_plane(&error))
}
