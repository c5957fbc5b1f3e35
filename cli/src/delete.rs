//! `outrider delete`: ends documents, all or none.

use outrider_proto::v1;

use crate::author::Author;
use crate::failure::Failure;
use crate::{apply, document_name, operator, output};

/// What to end.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    operator: operator::Access,
    /// Their kind.
    kind: String,
    /// Their names.
    #[arg(required = true)]
    names: Vec<String>,
    /// Their namespace.
    #[arg(long, value_name = "NAME", default_value = "default")]
    namespace: String,
    #[command(flatten)]
    author: Author,
}

/// Says what has ended.
pub fn run(args: &Args) -> Result<(), Failure> {
    let names = args.names.iter().map(|name| v1::DocumentName {
        kind: document_name::kind(&args.kind),
        namespace: args.namespace.clone(),
        name: name.clone(),
    });
    let request = v1::DeleteRequest {
        documents: names.collect(),
        author: args.author.name(),
    };
    let applied = operator::run(&args.operator, async |mut client| {
        Ok(client.delete(request).await?.into_inner())
    })?;
    output::print(&apply::told(&applied, false))
}
