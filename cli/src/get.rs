//! `outrider get`: the documents that are in force, or were.

use clap::ValueEnum;
use outrider_proto::v1;

use crate::document_name::Kind;
use crate::failure::Failure;
use crate::{document_files, operator, output, table};

/// What to show.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    operator: operator::Access,
    /// Only documents of this kind.
    #[arg(value_enum, ignore_case = true)]
    kind: Option<Kind>,
    /// Only the one of this name.
    #[arg(requires = "kind")]
    name: Option<String>,
    /// Only documents of this namespace.
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// As they were at this version; without it those in force.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    version: u64,
    /// How to show them.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A line for each.
    Table,
    /// As they were written; good for `outrider apply`.
    Yaml,
}

/// Shows them; one that is asked for by name must be there.
pub fn run(args: &Args) -> Result<(), Failure> {
    let kind = args.kind.map(Kind::name);
    let document = v1::DocumentName {
        kind: kind.unwrap_or_default(),
        namespace: args.namespace.clone().unwrap_or_default(),
        name: args.name.clone().unwrap_or_default(),
    };
    let request = v1::GetRequest {
        document: Some(document.clone()),
        version: args.version,
    };
    let found = operator::run(&args.operator, async |client| {
        let mut client = document_files::roomy(client);
        Ok(client.get(request).await?.into_inner())
    })?;
    if found.documents.is_empty() && args.name.is_some() {
        let (kind, name) = (document.kind, document.name);
        return Err(Failure::Runtime(format!("there is no {kind} {name}")));
    }
    match args.output {
        Output::Table => output::print_line(&rows(found)),
        Output::Yaml => {
            let texts = found.documents.iter().map(|document| &*document.text);
            output::print(&outrider_documents::join(texts))
        }
    }
}

fn rows(found: v1::GetResponse) -> String {
    let header = ["KIND", "NAMESPACE", "NAME", "VERSION", "SOURCE"];
    let rows = found.documents.into_iter().map(|stored| {
        let name = stored.document.unwrap_or_default();
        let version = stored.version.to_string();
        [name.kind, name.namespace, name.name, version, stored.source]
    });
    table::plain(header, rows)
}
