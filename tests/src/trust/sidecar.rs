//! A sidecar process for the tests: the daemon behind as much of `outrider sidecar`'s command line as
//! they use, because a test cannot name the program of another crate.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use outrider_daemon::{IdentityFiles, Options};

/// Runs a sidecar until it is killed. `words` are pairs of a flag and its value.
pub fn run(words: &[String]) -> ExitCode {
    let Some(options) = options(words) else {
        eprintln!("sidecar: cannot read {words:?}");
        return ExitCode::from(2);
    };
    match outrider_daemon::run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn options(words: &[String]) -> Option<Options> {
    let value = |flag: &str| {
        let at = words.iter().position(|word| word == flag)?;
        words.get(at + 1)
    };
    let address = |flag: &str| value(flag)?.parse::<SocketAddr>().ok();
    let file = |flag: &str| value(flag).map(PathBuf::from);
    let identity = |certificate| {
        Some(IdentityFiles {
            certificate,
            key: file("--key")?,
            trust_bundle: file("--trust-bundle")?,
        })
    };
    let defaults = Options::new(value("--service")?, Path::new(value("--documents")?));
    Some(Options {
        inbound: address("--inbound").unwrap_or(defaults.inbound),
        app: address("--app"),
        identity: file("--certificate").and_then(identity),
        outbound: address("--outbound")?,
        admin: address("--admin")?,
        access_log_file: value("--access-log-file").map(Into::into),
        ..defaults
    })
}
