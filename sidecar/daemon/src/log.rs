//! Where log lines go: JSON on standard error, level by `OUTRIDER_LOG`.

use tracing_subscriber::EnvFilter;

/// What is logged when `OUTRIDER_LOG` says nothing. The resolver reports its failures to us; its
/// own lines would say them twice.
const DEFAULT: &str = "info,hickory_net=off,hickory_resolver=off";

/// Starts logging. Does nothing when the process logs already.
pub fn start() {
    let filter =
        EnvFilter::try_from_env("OUTRIDER_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let lines = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter);
    let started = lines.with_writer(std::io::stderr).try_init();
    if let Err(error) = started {
        tracing::debug!(%error, "logging was started already");
    }
}
