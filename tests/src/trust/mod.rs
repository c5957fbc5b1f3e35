//! The trust command: hostile peers against our sidecar and against the proxies of others.

mod sidecar;

use std::process::ExitCode;

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "sidecar") {
        return sidecar::run(&words[1..]);
    }
    ExitCode::SUCCESS
}
