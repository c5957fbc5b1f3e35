//! `outrider demo-call`: one call to the demo's inventory, for trying things by hand.

use std::net::SocketAddr;

use crate::failure::Failure;
use crate::output;

/// What to ask for, and where.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// apples, bread or cheese.
    #[arg(default_value = "bread")]
    article: String,
    /// Where the sidecar takes its application's calls (--outbound).
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:15001")]
    upstream: SocketAddr,
}

/// Prints the answer.
pub fn run(args: &Args) -> Result<(), Failure> {
    let answer = outrider_demo::look_up(&args.article, args.upstream)
        .map_err(|error| Failure::Runtime(error.to_string()))?;
    output::print_line(&answer)
}
