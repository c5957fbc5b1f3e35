//! The table of flags of `outrider sidecar`.
//!
//! Documented for operators in `docs/CONFIG.md`, section Flags; a test compares the two.

use outrider_host::Flag;

/// All flags, in the order of `docs/CONFIG.md`.
#[rustfmt::skip] // A table: one flag a line.
pub const FLAGS: &[Flag] = &[
    Flag { name: "--service", kind: "text", unit: "-", default: "required", range: "DNS label" },
    Flag { name: "--namespace", kind: "text", unit: "-", default: "`default`", range: "DNS label" },
    Flag { name: "--documents", kind: "folder", unit: "-", default: "this or `--control-plane`", range: "readable" },
    Flag { name: "--control-plane", kind: "URL", unit: "-", default: "this or `--documents`", range: "`https://HOST:PORT`" },
    Flag { name: "--token-file", kind: "file", unit: "-", default: "-", range: "with `--control-plane`" },
    Flag { name: "--data", kind: "folder", unit: "-", default: "-", range: "with `--control-plane`" },
    Flag { name: "--advertise", kind: "address", unit: "-", default: "found out", range: "with `--control-plane` and `--app`" },
    Flag { name: "--outbound", kind: "address", unit: "-", default: "`127.0.0.1:15001`", range: "loopback; port 0: a free one" },
    Flag { name: "--inbound", kind: "address", unit: "-", default: "`0.0.0.0:15006`", range: "port 0: a free one" },
    Flag { name: "--admin", kind: "address", unit: "-", default: "`127.0.0.1:15000`", range: "loopback; port 0: a free one" },
    Flag { name: "--app", kind: "address", unit: "-", default: "-", range: "loopback" },
    Flag { name: "--workers", kind: "number", unit: "threads", default: "`1`", range: "1 to 128" },
    Flag { name: "--certificate", kind: "file", unit: "PEM", default: "-", range: "all three or none" },
    Flag { name: "--key", kind: "file", unit: "PEM", default: "-", range: "all three or none" },
    Flag { name: "--trust-bundle", kind: "file", unit: "PEM", default: "-", range: "all three or none" },
    Flag { name: "--drain", kind: "number", unit: "seconds", default: "`30`", range: "0 to 3600" },
    Flag { name: "--access-log", kind: "choice", unit: "-", default: "`errors`", range: "`errors`, `all`" },
    Flag { name: "--access-log-file", kind: "file", unit: "-", default: "standard error", range: "appendable" },
    Flag { name: "--otlp", kind: "URL", unit: "-", default: "-", range: "`http://HOST:PORT`" },
    Flag { name: "--memory-limit", kind: "number", unit: "MiB", default: "the control group's", range: "0: none" },
    Flag { name: "--limits", kind: "list", unit: "-", default: "see below", range: "`NAME=VALUE,...`" },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    const CONFIG: &str = include_str!("../../../docs/CONFIG.md");

    #[test]
    fn every_flag_is_documented_and_every_documented_flag_exists() {
        let expected: Vec<Vec<String>> = FLAGS.iter().map(Flag::row).collect();
        assert_eq!(Flag::rows(CONFIG, "Flags"), expected);
    }

    #[test]
    fn every_option_has_its_flag() {
        // Destructured without `..`: a new option does not compile until it is listed here.
        let Options {
            service: _,
            namespace: _,
            source: _,
            outbound: _,
            inbound: _,
            admin: _,
            app: _,
            workers: _,
            identity: _,
            drain: _,
            access_log: _,
            access_log_file: _,
            otlp: _,
            memory_limit: _,
            limits: _,
        } = Options::new("orders", "documents");
        let options_count = 15;
        let of_the_source = 5;
        let files_of_the_identity = 3;
        assert_eq!(
            FLAGS.len(),
            options_count - 2 + of_the_source + files_of_the_identity
        );
    }
}
