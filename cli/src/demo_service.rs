//! `outrider demo-service NAME`: one service of the shop, for the demo and for trying things by hand.

use std::process::ExitCode;

use outrider_examples::Service;

use crate::parent;

/// Options besides the name come from the environment, as for the shop's own binaries: SHOP_NAME,
/// SHOP_LISTEN (default 127.0.0.1:50051) and SHOP_UPSTREAM (default 127.0.0.1:15001).
#[derive(Debug, clap::Args)]
pub struct Args {
    /// frontend, orders, inventory or payments.
    name: String,
    /// Exit when standard input ends (see `parent`).
    #[arg(long, hide = true)]
    exit_with_stdin: bool,
}

/// Runs the service until SIGTERM, or until the demo that started it is gone.
pub fn run(args: &Args) -> ExitCode {
    match args.name.parse::<Service>() {
        Ok(service) => {
            if args.exit_with_stdin {
                parent::exit_with_stdin();
            }
            outrider_examples::main(service, &args.name)
        }
        Err(problem) => {
            eprintln!("outrider: {problem}");
            ExitCode::from(2)
        }
    }
}
