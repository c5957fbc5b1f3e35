//! `outrider rollback`: the documents of an earlier version, as a new version.

use outrider_proto::v1;

use crate::author::Author;
use crate::failure::Failure;
use crate::{apply, operator, output};

/// Where to.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    operator: operator::Access,
    /// As `outrider history` shows it.
    version: u64,
    #[command(flatten)]
    author: Author,
}

/// Says what has changed, document by document.
pub fn run(args: &Args) -> Result<(), Failure> {
    let request = v1::RollbackRequest {
        version: args.version,
        author: args.author.name(),
    };
    let applied = operator::change(
        &args.operator,
        "see `outrider history`",
        async |mut client| Ok(client.rollback(request).await?.into_inner()),
    )?;
    output::print(&apply::told(&applied, false))
}
