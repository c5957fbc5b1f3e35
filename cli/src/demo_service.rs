//! `outrider demo-service NAME`: one service of the shop, started by the demo.

use std::process::ExitCode;

use outrider_examples::Service;

use crate::parent;

/// Options besides the name come from the environment, as for the shop's own binaries.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// frontend, orders, inventory or payments.
    name: String,
}

/// Runs the service until SIGTERM or until the demo is gone.
pub fn run(args: &Args) -> ExitCode {
    match args.name.parse::<Service>() {
        Ok(service) => {
            parent::exit_with_stdin();
            outrider_examples::main(service, &args.name)
        }
        Err(problem) => {
            eprintln!("outrider: {problem}");
            ExitCode::from(2)
        }
    }
}
