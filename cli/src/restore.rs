//! `outrider restore`: puts a backup in the place of a control plane's store.

use std::path::PathBuf;

use crate::failure::Failure;
use crate::output;

/// What, and where to.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What `outrider backup` wrote.
    file: PathBuf,
    /// Folder of the control plane, which must be stopped.
    #[arg(long, env = "OUTRIDER_DATA", value_name = "DIR")]
    data: PathBuf,
    /// Although there is a store; it is kept beside the restored one.
    #[arg(long)]
    force: bool,
}

/// Says what comes back, then does it.
pub fn run(args: &Args) -> Result<(), Failure> {
    let mut said = String::new();
    let restored =
        outrider_control_plane::restore(&args.file, &args.data, args.force, |sentence| {
            said = format!("{said}{sentence}\n");
        });
    output::print(&said)?;
    restored.map_err(|error| Failure::Runtime(error.to_string()))?;
    let data = args.data.display();
    output::print(&format!("restored into {data}: start the control plane\n"))
}
