//! The programs of others that tests talk to: where they are, and what follows when they are not.
//!
//! `tests/install-peers.sh` puts them into `$OUTRIDER_PEERS`, which is `~/.cache/outrider-peers`
//! unless it is set. A test whose program is missing says so and passes, so that a newcomer can run
//! all tests; with `OUTRIDER_REQUIRE_TOOLS=1`, as in CI, it fails.

use std::env;
use std::ffi::OsString;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

/// Where `tests/install-peers.sh` puts them.
pub fn installed() -> PathBuf {
    let home = || PathBuf::from(env::var_os("HOME").unwrap_or_else(|| OsString::from("/")));
    let peers = env::var_os("OUTRIDER_PEERS").filter(|folder| !folder.is_empty());
    peers.map_or_else(|| home().join(".cache/outrider-peers"), PathBuf::from)
}

/// A file among them, such as `bin/envoy`. `None` if it is missing, which is said.
///
/// # Panics
/// As [`skip`].
pub fn wanted(file: &str) -> Option<PathBuf> {
    let path = Some(installed().join(file)).filter(|path| path.exists());
    if path.is_none() {
        missing(file);
    }
    path
}

/// Says that a test, or a part of it, is left out for want of `what`, which an installation brings.
///
/// # Panics
/// As [`skip`].
pub fn missing(what: &str) {
    skip(&format!(
        "{what} is missing; tests/install-peers.sh brings it"
    ));
}

/// Says that a test, or a part of it, is left out, and why.
///
/// # Panics
/// Where nothing may be left out that could be had, in CI.
pub fn skip(why: &str) {
    let is_required = env::var("OUTRIDER_REQUIRE_TOOLS").is_ok_and(|value| value == "1");
    assert!(!is_required, "{why}");
    say_skipped(why);
}

/// The same where it cannot be had.
pub fn say_skipped(why: &str) {
    // Not a print macro: those are captured, and this must be seen.
    let _ = writeln!(std::io::stderr(), "!!! SKIPPED: {why}");
}

/// A program of `tests/install-peers.sh`, of the path, or of where Debian keeps servers.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders = vec![installed().join("bin")];
    folders.extend(env::split_paths(&path));
    folders.push("/usr/sbin".into());
    let mut files = folders.into_iter().map(|folder| folder.join(name));
    files.find(|file| file.is_file())
}

/// An address of 127.0.0.1 that nobody listens at now, for programs that cannot choose one and say
/// which.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr());
    address.expect("a free port")
}
