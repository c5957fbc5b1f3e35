//! `outrider history`: who changed the documents, when and how.

use clap::value_parser;
use outrider_proto::v1;

use crate::failure::Failure;
use crate::{document_name, operator, output, table};

/// How much of it.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    operator: operator::Access,
    /// At most so many versions, newest first.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = value_parser!(u32).range(1..))]
    limit: u32,
}

/// A line for each version.
pub fn run(args: &Args) -> Result<(), Failure> {
    let request = v1::HistoryRequest { limit: args.limit };
    let history = operator::run(&args.operator, async |mut client| {
        Ok(client.history(request).await?.into_inner())
    })?;
    let header = ["VERSION", "TIME", "AUTHOR", "CAUSE", "CHANGED"];
    output::print_line(&table::plain(header, history.versions.iter().map(row)))
}

fn row(version: &v1::Version) -> [String; 5] {
    let changed = version.changed.iter();
    let changed: Vec<String> = changed
        .map(|name| document_name::shown(Some(name)))
        .collect();
    [
        version.version.to_string(),
        table::time(version.time_unix),
        version.author.clone(),
        version.cause.clone(),
        changed.join(" "),
    ]
}
