//! What the process is told at its start, as plain data.
//!
//! Decides defaults and ranges only. Does not parse a command line (the cli does) and opens
//! nothing. The flags that say it: `flags.rs`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use tonic::transport::Uri;

use crate::cgroup;
use crate::error::StartupError;
use crate::limits::Limits;
use crate::source::{Membership, Source};

/// Everything a sidecar is told at its start. [`Options::new`] gives the defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Name of the service this sidecar stands beside; part of its identity and of its metrics.
    pub service: String,
    /// Namespace of the service. Default `default`.
    pub namespace: String,
    /// Where the configuration comes from.
    pub source: Source,
    /// Where the application's own calls come in (plaintext HTTP/2), on loopback. Default
    /// `127.0.0.1:15001`.
    pub outbound: SocketAddr,
    /// Where calls from other sidecars come in (mutual TLS). Default `0.0.0.0:15006`. ConfigSource only
    /// when [`Options::app`] is set.
    pub inbound: SocketAddr,
    /// Where metrics, health and status are served, on loopback. Default `127.0.0.1:15000`.
    pub admin: SocketAddr,
    /// Where the application listens (plaintext HTTP/2), on loopback. `None`: the service only makes
    /// calls.
    pub app: Option<SocketAddr>,
    /// Threads that carry traffic. 1 to [`WORKERS_MAX`]; default 1. A connection stays with one.
    pub workers: usize,
    /// Certificate, key and trust bundle, beside documents only: a control plane gives its own.
    /// `None` beside documents: no mutual TLS, so nothing of the mesh can be reached but services
    /// with `tls: none`.
    pub identity: Option<IdentityFiles>,
    /// Longest time between SIGTERM and exit. Default 30 s; 0 ends at once.
    pub drain: Duration,
    /// Which calls get a line in the access log. Default [`AccessLog::Errors`].
    pub access_log: AccessLog,
    /// File the access log is appended to. `None`: standard error.
    pub access_log_file: Option<PathBuf>,
    /// Where spans are exported to by OTLP/gRPC: `http://HOST:PORT`. `None`: no spans are made.
    pub otlp: Option<Uri>,
    /// How much memory the process may use. Default [`MemoryLimit::Cgroup`].
    pub memory_limit: MemoryLimit,
    /// What the peer of one connection may do.
    pub limits: Limits,
}

/// Where the memory limit comes from. From 80 % of it no new streams are taken, from 90 % no new
/// connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryLimit {
    /// What the control group of the process allows, if that is limited.
    #[default]
    Cgroup,
    /// So many MiB; 0 for no limit at all.
    Mebibytes(u32),
}

impl MemoryLimit {
    /// The limit in bytes; `None` when there is none.
    pub fn bytes(self) -> Option<u64> {
        match self {
            MemoryLimit::Cgroup => cgroup::memory_limit(),
            MemoryLimit::Mebibytes(0) => None,
            MemoryLimit::Mebibytes(count) => Some(u64::from(count) << 20),
        }
    }
}

/// The three PEM files of an identity. They are read again when they change, always together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFiles {
    /// Certificate chain, leaf first.
    pub certificate: PathBuf,
    /// Private key of the leaf (PKCS#8, SEC1 or PKCS#1).
    pub key: PathBuf,
    /// Certificates that sign the identities we believe.
    pub trust_bundle: PathBuf,
}

/// Which calls get a line in the access log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessLog {
    /// Calls that did not end well.
    #[default]
    Errors,
    /// Every call.
    All,
}

/// Most workers a process may have: more threads than any machine we know has cores to spare.
pub const WORKERS_MAX: usize = 128;

/// Longest drain. Seconds; 1 h.
pub const DRAIN_SECONDS_MAX: u64 = 3_600;

const OUTBOUND_PORT: u16 = 15_001;
const INBOUND_PORT: u16 = 15_006;
const ADMIN_PORT: u16 = 15_000;
const DRAIN_DEFAULT: Duration = Duration::from_secs(30);

impl Options {
    /// The defaults for a sidecar of `service`, configured by the folder `documents`.
    pub fn new(service: impl Into<String>, documents: impl Into<PathBuf>) -> Options {
        Options::of(service.into(), Source::Documents(documents.into()))
    }

    /// The defaults for a sidecar of `service` that is a member of a control plane's mesh.
    pub fn member(service: impl Into<String>, membership: Membership) -> Options {
        Options::of(service.into(), Source::ControlPlane(membership))
    }

    fn of(service: String, source: Source) -> Options {
        Options {
            service,
            namespace: "default".to_owned(),
            source,
            outbound: SocketAddr::from((Ipv4Addr::LOCALHOST, OUTBOUND_PORT)),
            inbound: SocketAddr::from((Ipv4Addr::UNSPECIFIED, INBOUND_PORT)),
            admin: SocketAddr::from((Ipv4Addr::LOCALHOST, ADMIN_PORT)),
            app: None,
            workers: 1,
            identity: None,
            drain: DRAIN_DEFAULT,
            access_log: AccessLog::default(),
            access_log_file: None,
            otlp: None,
            memory_limit: MemoryLimit::default(),
            limits: Limits::default(),
        }
    }
}

impl Options {
    /// The name of the inbound listener of the local service.
    pub(crate) fn inbound_listener(&self) -> String {
        outrider_proto::inbound_listener(&self.namespace, &self.service)
    }

    /// Checks ranges, and values against each other.
    ///
    /// # Errors
    /// [`StartupError::Flag`] names the flag and what would be right.
    pub fn check(&self) -> Result<(), StartupError> {
        let wrong = |flag, problem: String| Err(StartupError::Flag { flag, problem });
        if !(1..=WORKERS_MAX).contains(&self.workers) {
            return wrong(
                "--workers",
                format!("is {}, but must be 1 to {WORKERS_MAX}", self.workers),
            );
        }
        if self.drain > Duration::from_secs(DRAIN_SECONDS_MAX) {
            return wrong(
                "--drain",
                format!(
                    "is {} s, but at most {DRAIN_SECONDS_MAX} s",
                    self.drain.as_secs()
                ),
            );
        }
        for (flag, name) in [
            ("--service", &self.service),
            ("--namespace", &self.namespace),
        ] {
            if !is_dns_label(name) {
                return wrong(
                    flag,
                    format!("is {name:?}, but must be a DNS label: a-z, 0-9 and -, at most 63"),
                );
            }
        }
        if let Some(collector) = self.otlp.as_ref().filter(|url| !is_collector(url)) {
            let problem = format!("is {collector}, but must be http://HOST:PORT");
            return wrong("--otlp", problem);
        }
        self.check_source()?;
        self.check_plaintext()
    }

    /// Who gives the configuration, and who the identity?
    fn check_source(&self) -> Result<(), StartupError> {
        let wrong = |flag, problem: &str| {
            let problem = problem.to_owned();
            Err(StartupError::Flag { flag, problem })
        };
        match &self.source {
            Source::Documents(_) if self.app.is_some() && self.identity.is_none() => wrong(
                "--app",
                "takes calls from other sidecars, which needs --certificate, --key and --trust-bundle",
            ),
            Source::Documents(_) => Ok(()),
            Source::ControlPlane(_) if self.identity.is_some() => wrong(
                "--certificate",
                "contradicts --control-plane, which issues the certificate itself",
            ),
            Source::ControlPlane(membership) => membership.check(self.app.is_some()),
        }
    }

    /// What is not encrypted must not leave the machine: who reaches it speaks as this service.
    fn check_plaintext(&self) -> Result<(), StartupError> {
        let plaintext = [
            ("--outbound", Some(self.outbound)),
            ("--admin", Some(self.admin)),
            ("--app", self.app),
        ];
        for (flag, address) in plaintext {
            if let Some(address) = address
                && !address.ip().to_canonical().is_loopback()
            {
                let port = address.port();
                let problem = format!(
                    "is {address}, but carries plaintext, which must stay on loopback: use 127.0.0.1:{port} or [::1]:{port}"
                );
                return Err(StartupError::Flag { flag, problem });
            }
        }
        Ok(())
    }
}

/// The path and the method are OTLP's own; TLS to the collector is not there yet.
fn is_collector(url: &Uri) -> bool {
    let bare = url.query().is_none() && matches!(url.path(), "" | "/");
    url.scheme_str() == Some("http") && url.port_u16().is_some() && bare
}

/// RFC 1123 2.1, in lower case.
fn is_dns_label(name: &str) -> bool {
    let fits = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(fits)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_name_their_flag() {
        let good = || Options::new("orders", "documents");
        let app = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 50_051)));
        let otlp = |url| Options {
            otlp: Some(Uri::from_static(url)),
            ..good()
        };
        let identity = Some(IdentityFiles {
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            trust_bundle: PathBuf::new(),
        });
        let membership = Membership {
            control_plane: Uri::from_static("https://mesh:15012"),
            token_file: None,
            data: PathBuf::new(),
            advertise: None,
        };
        let cases: [(Options, &str); 8] = [
            (
                Options {
                    workers: 0,
                    ..good()
                },
                "--workers is 0, but must be 1 to 128",
            ),
            (
                Options {
                    drain: Duration::from_secs(3_601),
                    ..good()
                },
                "--drain is 3601 s, but at most 3600 s",
            ),
            (
                Options::new("Orders", "documents"),
                "--service is \"Orders\", but must be a DNS label: a-z, 0-9 and -, at most 63",
            ),
            (
                Options {
                    namespace: "-".to_owned(),
                    ..good()
                },
                "--namespace is \"-\", but must be a DNS label: a-z, 0-9 and -, at most 63",
            ),
            (
                otlp("https://jaeger:4317"),
                "--otlp is https://jaeger:4317/, but must be http://HOST:PORT",
            ),
            (
                otlp("http://jaeger"),
                "--otlp is http://jaeger/, but must be http://HOST:PORT",
            ),
            (
                Options { app, ..good() },
                "--app takes calls from other sidecars, which needs --certificate, --key and --trust-bundle",
            ),
            (
                Options {
                    identity,
                    ..Options::member("orders", membership)
                },
                "--certificate contradicts --control-plane, which issues the certificate itself",
            ),
        ];
        for (options, expected) in cases {
            let problem = options.check().err().map(|error| error.to_string());
            assert_eq!(problem.as_deref(), Some(expected));
        }
        assert!(good().check().is_ok());
    }

    #[test]
    fn plaintext_stays_on_loopback() {
        let good = || Options {
            identity: Some(IdentityFiles {
                certificate: PathBuf::from("orders.pem"),
                key: PathBuf::from("orders.key"),
                trust_bundle: PathBuf::from("bundle.pem"),
            }),
            ..Options::new("orders", "documents")
        };
        let cases = [
            ("127.0.0.1:0", true),
            ("127.0.0.2:80", true),
            ("[::1]:80", true),
            ("[::ffff:127.0.0.1]:80", true),
            ("0.0.0.0:0", false),
            ("[::]:0", false),
            ("10.0.0.5:80", false),
            ("[::ffff:10.0.0.5]:80", false),
            ("[fe80::1]:80", false),
        ];
        for (address, is_good) in cases {
            let address: SocketAddr = address.parse().expect("an address");
            let outbound = Options {
                outbound: address,
                ..good()
            };
            let admin = Options {
                admin: address,
                ..good()
            };
            let app = Options {
                app: Some(address),
                ..good()
            };
            for (flag, options) in [("--outbound", outbound), ("--admin", admin), ("--app", app)] {
                let problem = options.check().err().map(|error| error.to_string());
                let port = address.port();
                let expected = format!(
                    "{flag} is {address}, but carries plaintext, which must stay on loopback: use 127.0.0.1:{port} or [::1]:{port}"
                );
                assert_eq!(problem, (!is_good).then_some(expected));
            }
        }
    }
}
