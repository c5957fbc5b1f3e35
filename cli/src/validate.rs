//! `outrider validate`: checks documents without starting anything.

use std::path::PathBuf;

use crate::document_files;
use crate::failure::Failure;
use crate::output;

/// What to check.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files of documents, or folders of such files, together one configuration; `-` is standard
    /// input. Instead of --documents.
    #[arg(value_name = "FILE|DIR", required_unless_present = "documents")]
    paths: Vec<PathBuf>,
    /// Folder of documents.
    #[arg(long, env = "OUTRIDER_DOCUMENTS", value_name = "DIR")]
    documents: Option<PathBuf>,
}

/// Says how many services were found, or names every problem of every file at once. What is right
/// and does nothing is a warning.
pub fn run(args: &Args) -> Result<(), Failure> {
    let paths = match args.paths.as_slice() {
        [] => args.documents.as_slice(),
        paths => paths,
    };
    let files = document_files::read(paths)?;
    let services = outrider_daemon::validate(&files)
        .map_err(|problems| Failure::Usage(format!("not valid:\n{}", problems.join("\n"))))?;
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (&**name, &**text))
        .collect();
    for warning in outrider_documents::warnings(&files) {
        eprintln!("{warning}");
    }
    let shown: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let shown = shown.join(" ");
    output::print_line(&format!("valid: {shown}; services: {services}"))
}
