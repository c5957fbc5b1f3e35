//! `outrider validate`: checks a folder of documents without starting anything.

use std::path::PathBuf;

use crate::failure::Failure;
use crate::output;

/// What to check.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of documents.
    #[arg(long, env = "OUTRIDER_DOCUMENTS", value_name = "DIR")]
    documents: PathBuf,
}

/// Says how many services were found, or names every problem of every file at once.
pub fn run(args: &Args) -> Result<(), Failure> {
    let services =
        outrider_daemon::validate(&args.documents).map_err(|error| Failure::startup(&error))?;
    let folder = args.documents.display();
    output::print_line(&format!("{folder} is good; services: {services}"))
}
