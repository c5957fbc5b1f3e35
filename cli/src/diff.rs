//! `outrider diff`: what files would change, or what changed from one version to another.

use std::path::PathBuf;

use outrider_proto::v1;
use similar::TextDiff;

use crate::failure::Failure;
use crate::{document_files, document_name, operator, output};

/// Lines around a change that are shown with it.
const CONTEXT_LINES: usize = 3;

/// What to compare.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    operator: operator::Access,
    /// Compare what is in force with what it would be after `outrider apply -f`.
    #[arg(
        short,
        long,
        value_name = "FILE|DIR",
        num_args = 1..,
        required_unless_present = "from",
        conflicts_with = "from"
    )]
    file: Vec<PathBuf>,
    /// Compare this version; 0 is the empty one before the first.
    from: Option<u64>,
    /// With this one; without it with the one in force.
    #[arg(requires = "from")]
    to: Option<u64>,
}

/// Prints a unified diff of every document that differs.
pub fn run(args: &Args) -> Result<(), Failure> {
    let changes = match args.from {
        Some(from) => between(args, from, args.to.unwrap_or(0)),
        None => with_files(args),
    };
    output::print(&changes?.iter().map(unified).collect::<String>())
}

fn between(args: &Args, from: u64, to: u64) -> Result<Vec<v1::Change>, Failure> {
    let request = v1::DiffRequest {
        from_version: from,
        to_version: to,
    };
    operator::run(&args.operator, async |client| {
        let mut client = document_files::roomy(client);
        Ok(client.diff(request).await?.into_inner().changes)
    })
}

fn with_files(args: &Args) -> Result<Vec<v1::Change>, Failure> {
    let request = v1::ApplyRequest {
        files: document_files::message(&args.file)?,
        author: String::new(),
        dry_run: true,
        ..v1::ApplyRequest::default()
    };
    operator::run(&args.operator, async |client| {
        let mut client = document_files::roomy(client);
        Ok(client.apply(request).await?.into_inner().changes)
    })
}

fn unified(change: &v1::Change) -> String {
    let name = document_name::shown(change.document.as_ref());
    let side = |text: &str| match text {
        "" => "/dev/null".to_owned(),
        _ => name.clone(),
    };
    TextDiff::from_lines(&change.before, &change.after)
        .unified_diff()
        .context_radius(CONTEXT_LINES)
        .header(&side(&change.before), &side(&change.after))
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(before: &str, after: &str) -> v1::Change {
        let document = v1::DocumentName {
            kind: "Mesh".to_owned(),
            namespace: "default".to_owned(),
            name: "mesh".to_owned(),
        };
        v1::Change {
            document: Some(document),
            before: before.to_owned(),
            after: after.to_owned(),
        }
    }

    #[test]
    fn a_change_is_a_unified_diff() {
        let expected =
            "--- Mesh/default/mesh\n+++ Mesh/default/mesh\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n";
        assert_eq!(unified(&change("a\nb\n", "a\nc\n")), expected);
        let new = unified(&change("", "a\n"));
        assert!(
            new.starts_with("--- /dev/null\n+++ Mesh/default/mesh\n"),
            "{new}"
        );
    }
}
