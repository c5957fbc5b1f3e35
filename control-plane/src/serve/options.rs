//! The options of the process as plain data, and the table of the flags that set them.
//!
//! Decides defaults and ranges only. Does not parse a command line (the cli does) and opens
//! nothing. Documented for operators in `docs/CONFIG.md`, section Control plane; a test compares
//! the two.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use outrider_host::Flag;

use crate::serve::error::StartupError;

/// The options of a control plane. [`Options::new`] gives the defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Folder of YAML documents, watched while running. `None`: documents come by
    /// `outrider apply` alone.
    pub documents: Option<PathBuf>,
    /// Folder of all that must outlive the process: authority, tokens, documents, registrations.
    pub data: PathBuf,
    /// Where sidecars and operators connect (TLS). Default `0.0.0.0:15012`.
    pub listen: SocketAddr,
    /// Where the admin page and metrics are served (plaintext). Default `127.0.0.1:15014`.
    pub admin: SocketAddr,
    /// Life of a sidecar's certificate. [`CERTIFICATE_LIFE_SECONDS`]; default 24 h. A shorter one
    /// is renewed more often, and a sidecar must find the control plane within half of it.
    pub certificate_life: Duration,
}

/// Shortest and longest life of a sidecar's certificate. Seconds.
pub const CERTIFICATE_LIFE_SECONDS: RangeInclusive<u64> = 10..=86_400;

const LISTEN_PORT: u16 = 15_012;
const ADMIN_PORT: u16 = 15_014;

impl Options {
    /// The defaults for a control plane that keeps its state in `data`.
    pub fn new(data: impl Into<PathBuf>) -> Options {
        Options {
            documents: None,
            data: data.into(),
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, LISTEN_PORT)),
            admin: SocketAddr::from((Ipv4Addr::LOCALHOST, ADMIN_PORT)),
            certificate_life: Duration::from_secs(*CERTIFICATE_LIFE_SECONDS.end()),
        }
    }

    /// Checks ranges.
    ///
    /// # Errors
    /// [`StartupError::Flag`] names the flag and what would be right.
    pub fn check(&self) -> Result<(), StartupError> {
        let life = self.certificate_life.as_secs();
        if !CERTIFICATE_LIFE_SECONDS.contains(&life) {
            return Err(StartupError::Flag {
                flag: "--certificate-life",
                problem: format!("is {life} s, but must be 10 to 86400"),
            });
        }
        Ok(())
    }
}

/// All flags, in the order of `docs/CONFIG.md`.
#[rustfmt::skip] // A table: one flag a line.
pub const FLAGS: &[Flag] = &[
    Flag { name: "--documents", kind: "folder", unit: "-", default: "-", range: "readable" },
    Flag { name: "--data", kind: "folder", unit: "-", default: "required", range: "writable" },
    Flag { name: "--listen", kind: "address", unit: "-", default: "`0.0.0.0:15012`", range: "port 0: a free one" },
    Flag { name: "--admin", kind: "address", unit: "-", default: "`127.0.0.1:15014`", range: "port 0: a free one" },
    Flag { name: "--certificate-life", kind: "number", unit: "seconds", default: "`86400`", range: "10 to 86400" },
];

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = include_str!("../../../docs/CONFIG.md");

    #[test]
    fn every_flag_is_documented_and_every_documented_flag_exists() {
        let expected: Vec<Vec<String>> = FLAGS.iter().map(Flag::row).collect();
        assert_eq!(Flag::rows(CONFIG, "Control plane"), expected);
    }

    #[test]
    fn a_certificate_lives_ten_seconds_to_a_day() {
        let cases = [(9, false), (10, true), (86_400, true), (86_401, false)];
        for (seconds, is_good) in cases {
            let options = Options {
                certificate_life: Duration::from_secs(seconds),
                ..Options::new("data")
            };
            let problem = options.check().err().map(|error| error.to_string());
            let expected = format!("--certificate-life is {seconds} s, but must be 10 to 86400");
            assert_eq!(problem, (!is_good).then_some(expected));
        }
    }

    #[test]
    fn every_option_has_its_flag() {
        // Destructured without `..`: a new option does not compile until it is listed here.
        let Options {
            documents: _,
            data: _,
            listen: _,
            admin: _,
            certificate_life: _,
        } = Options::new("data");
        let options_count = 5;
        assert_eq!(FLAGS.len(), options_count);
    }
}
