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
    /// The name of each document that a version changed, also where there are many.
    #[arg(long)]
    verbose: bool,
}

/// Most names that are shown without `--verbose`; of more they are counted.
const NAMES_MAX: usize = 3;

/// A line for each version.
pub fn run(args: &Args) -> Result<(), Failure> {
    let request = v1::HistoryRequest { limit: args.limit };
    let history = operator::run(&args.operator, async |mut client| {
        Ok(client.history(request).await?.into_inner())
    })?;
    let rows = history.versions.iter();
    let rows = rows.map(|version| row(version, args.verbose));
    let header = ["VERSION", "TIME", "AUTHOR", "CAUSE", "CHANGED"];
    output::print_line(&table::plain(header, rows))
}

fn row(version: &v1::Version, verbose: bool) -> [String; 5] {
    let changed = match version.changed.len() {
        count if count > NAMES_MAX && !verbose => format!("{count} documents"),
        _ => names(&version.changed),
    };
    [
        version.version.to_string(),
        table::time(version.time_unix),
        version.author.clone(),
        version.cause.clone(),
        changed,
    ]
}

fn names(documents: &[v1::DocumentName]) -> String {
    let names = documents
        .iter()
        .map(|name| document_name::shown(Some(name)));
    names.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_documents_are_counted_unless_their_names_are_asked_for() {
        let version = |count: usize| v1::Version {
            changed: vec![v1::DocumentName::default(); count],
            ..v1::Version::default()
        };
        assert_eq!(row(&version(3), false)[4], "// // //");
        assert_eq!(row(&version(4), false)[4], "4 documents");
        assert_eq!(row(&version(4), true)[4], "// // // //");
    }
}
