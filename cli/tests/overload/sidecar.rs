//! A sidecar as a real process, under limits that a shell sets.

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use outrider_tests::Admin;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Ticks of /proc/PID/stat in a second: fixed on Linux (USER_HZ, proc(5)).
pub const TICKS_PER_SECOND: u64 = 100;

/// A sidecar in a process of its own; killed when dropped.
pub struct Sidecar {
    pub process: Child,
    pub outbound: SocketAddr,
    pub admin: Admin,
}

impl Sidecar {
    /// Starts one that reads `documents`, after `limits`: shell commands that hold for it.
    pub async fn start(limits: &str, documents: &Path) -> Sidecar {
        Sidecar::start_at("127.0.0.1:0", limits, documents).await
    }

    /// The same, for callers at the address `outbound`.
    pub async fn start_at(outbound: &str, limits: &str, documents: &Path) -> Sidecar {
        let words = ["--service", "client", "--outbound", outbound, "--documents"];
        let words = words.into_iter().map(OsStr::new);
        Sidecar::start_with(limits, words.chain([documents.as_os_str()])).await
    }

    /// Starts one with the flags `words`.
    pub async fn start_with(limits: &str, words: impl Iterator<Item = &OsStr>) -> Sidecar {
        let mut process = Command::new("sh")
            .args(["-c", &format!("{limits}; exec \"$@\""), "sh"])
            .args([env!("CARGO_BIN_EXE_outrider"), "sidecar"])
            .args(["--admin", "127.0.0.1:0", "--exit-with-stdin"])
            .args(["--access-log-file", "/dev/null"])
            .args(words)
            // Held by `Child`: when this test dies in any way, the process sees its input end.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("a shell");
        let stdout = process.stdout.take().expect("it is piped");
        let line = BufReader::new(stdout).lines().next_line().await;
        let line = line.expect("it is read").expect("it is ready");
        let ready: Value = serde_json::from_str(&line).expect("a line of JSON");
        let address = |of: &str| -> SocketAddr {
            let address = ready[of].as_str().expect("an address");
            address.parse().expect("an address")
        };
        Sidecar {
            process,
            outbound: address("outbound"),
            admin: Admin::new(address("admin")),
        }
    }

    /// CPU time used so far, in ticks.
    pub fn ticks(&self) -> u64 {
        let id = self.process.id().expect("it runs");
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).expect("it runs");
        // The name, which may have spaces, ends with the last parenthesis; then from the third.
        let (_, fields) = stat.rsplit_once(") ").expect("proc(5)");
        let fields: Vec<&str> = fields.split(' ').collect();
        let tick = |field: usize| fields[field - 3].parse::<u64>().expect("a number");
        tick(14) + tick(15)
    }

    /// The most anonymous memory it ever held, as far as the system tells: all that was resident at
    /// the peak, less the files of today.
    pub fn peak_bytes(&self) -> usize {
        let id = self.process.id().expect("it runs");
        let status = fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
        let kib = |name: &str| -> usize {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next());
            number.and_then(|number| number.parse().ok()).expect(name)
        };
        (kib("VmHWM:") - kib("RssFile:")) << 10
    }

    /// Returns when `metric` is at least `value`; its admin page is served meanwhile.
    pub async fn until(&self, metric: &str, value: f64) {
        let reached = async {
            while self.admin.metric(metric).await < value {
                tokio::task::yield_now().await;
            }
        };
        let reached = timeout(Duration::from_secs(10), reached).await;
        assert!(reached.is_ok(), "{metric} stays below {value}");
    }
}
