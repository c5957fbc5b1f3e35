//! Developer chores, run as `cargo run -p xtask -- CHORE`.
//!
//! - `codegen`: generate Rust from our .proto files, into the tree.

mod codegen;

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("codegen") => report(codegen::generate(&codegen::workspace_root())),
        Some(chore) => usage(&format!("unknown chore `{chore}`")),
        None => usage("no chore given"),
    }
}

fn report(result: std::io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage(problem: &str) -> ExitCode {
    eprintln!("xtask: {problem}\nusage: cargo run -p xtask -- codegen");
    ExitCode::from(2)
}
