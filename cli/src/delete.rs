//! `outrider delete`: ends documents, all or none.

use std::path::PathBuf;

use outrider_proto::v1;

use crate::author::Author;
use crate::document_name::Kind;
use crate::failure::Failure;
use crate::{apply, document_files, operator, output};

/// What to end.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    operator: operator::Access,
    /// Their kind.
    #[arg(value_enum, ignore_case = true, required_unless_present = "file")]
    kind: Option<Kind>,
    /// Their names.
    #[arg(required_unless_present = "file")]
    names: Vec<String>,
    /// Their namespace.
    #[arg(long, value_name = "NAME", default_value = "default")]
    namespace: String,
    /// The documents of these files, or of folders of such files; `-` is standard input. Only kind,
    /// namespace and name of each are read.
    #[arg(short, long, value_name = "FILE|DIR", num_args = 1.., conflicts_with_all = ["kind", "names", "namespace"])]
    file: Vec<PathBuf>,
    #[command(flatten)]
    author: Author,
}

/// Says what has ended.
pub fn run(args: &Args) -> Result<(), Failure> {
    let documents = match args.kind {
        Some(kind) => typed(args, kind),
        None => written(&args.file)?,
    };
    let request = v1::DeleteRequest {
        documents,
        author: args.author.name(),
    };
    let applied = operator::change(
        &args.operator,
        "see `outrider history`",
        async |mut client| Ok(client.delete(request).await?.into_inner()),
    )?;
    output::print(&apply::told(&applied, false))
}

fn typed(args: &Args, kind: Kind) -> Vec<v1::DocumentName> {
    let names = args.names.iter().map(|name| v1::DocumentName {
        kind: kind.name(),
        namespace: args.namespace.clone(),
        name: name.clone(),
    });
    names.collect()
}

/// The names of the documents in the files, each once.
fn written(paths: &[PathBuf]) -> Result<Vec<v1::DocumentName>, Failure> {
    let files = document_files::read(paths)?;
    let documents = files
        .iter()
        .flat_map(|(name, text)| outrider_documents::split((name, text)));
    let names = documents.map(|document| Ok(document?.name));
    let names: Result<Vec<_>, outrider_documents::DocumentError> = names.collect();
    let mut names = names.map_err(|error| Failure::Usage(error.to_string()))?;
    if names.is_empty() {
        return Err(Failure::Usage(
            "there is no document in the files".to_owned(),
        ));
    }
    names.sort();
    names.dedup();
    let names = names.into_iter().map(|name| v1::DocumentName {
        kind: name.kind,
        namespace: name.namespace,
        name: name.name,
    });
    Ok(names.collect())
}
