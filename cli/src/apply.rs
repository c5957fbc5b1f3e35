//! `outrider apply`: gives the control plane documents, all or none.

use std::path::PathBuf;

use outrider_proto::v1;

use crate::author::Author;
use crate::failure::Failure;
use crate::{document_files, document_name, operator, output};

/// What to apply.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    operator: operator::Access,
    /// Files of documents, or folders of such files; `-` is standard input.
    #[arg(short, long, value_name = "FILE|DIR", required = true, num_args = 1..)]
    file: Vec<PathBuf>,
    #[command(flatten)]
    author: Author,
    /// Only check and show what would change.
    #[arg(long)]
    dry_run: bool,
    /// End every document that was applied and is not among these, of all kinds and namespaces. Those
    /// of the control plane's watched folder stay.
    #[arg(long)]
    prune: bool,
    /// Only if this version is in force, as `outrider history` shows it; 0: before the first.
    #[arg(long, value_name = "N")]
    if_version: Option<u64>,
    /// Which apply this is; one that is sent again with its id and the same documents changes nothing.
    /// Without it a new one each time.
    #[arg(long, value_name = "TEXT")]
    id: Option<String>,
}

/// Says what has changed, document by document.
pub fn run(args: &Args) -> Result<(), Failure> {
    let id = args.id.clone().unwrap_or_else(random_id);
    let request = v1::ApplyRequest {
        files: document_files::message(&args.file)?,
        author: args.author.name(),
        dry_run: args.dry_run,
        id: id.clone(),
        prune: args.prune,
        if_version: args.if_version,
    };
    let repeat =
        format!("see `outrider history`, or repeat it with `--id {id}`, which is harmless");
    let applied = operator::change(&args.operator, &repeat, async |client| {
        let mut client = document_files::roomy(client);
        Ok(client.apply(request).await?.into_inner())
    })?;
    output::print(&told(&applied, args.dry_run))
}

fn random_id() -> String {
    let mut octets = [0; 16];
    // Fails where the system has no randomness: then the apply has no id, and is one like any other.
    let filled = rustls::crypto::aws_lc_rs::default_provider()
        .secure_random
        .fill(&mut octets);
    filled.map_or_else(|_| String::new(), |()| outrider_proto::token::hex(&octets))
}

/// A line for each document: its name between `indent` and what became of it.
pub fn lines(changes: &[v1::Change], indent: &str, note: &str) -> String {
    let lines = changes.iter().map(|change| {
        let what = match (&*change.before, &*change.after) {
            ("", _) => "created",
            (_, "") => "deleted",
            (_, _) => "changed",
        };
        let name = document_name::shown(change.document.as_ref());
        format!("{indent}{name} {what}{note}\n")
    });
    lines.collect()
}

/// A line for each document, and the version.
pub fn told(applied: &v1::Applied, dry_run: bool) -> String {
    let note = if dry_run { " (dry run)" } else { "" };
    let mut text = lines(&applied.changes, "", note);
    let version = applied.version;
    match (applied.changes.is_empty(), dry_run) {
        (true, _) => text.push_str(&format!("nothing changes, version {version}{note}\n")),
        (false, false) => text.push_str(&format!("version {version}\n")),
        (false, true) => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(name: &str, before: &str, after: &str) -> v1::Change {
        let document = v1::DocumentName {
            kind: "Service".to_owned(),
            namespace: "default".to_owned(),
            name: name.to_owned(),
        };
        v1::Change {
            document: Some(document),
            before: before.to_owned(),
            after: after.to_owned(),
        }
    }

    #[test]
    fn says_what_became_of_each_document() {
        let changes = vec![
            change("orders", "", "a"),
            change("payments", "a", "b"),
            change("stock", "a", ""),
        ];
        let applied = v1::Applied {
            version: 7,
            changes,
        };
        let expected = "Service/default/orders created\nService/default/payments changed\n\
                        Service/default/stock deleted\nversion 7\n";
        assert_eq!(told(&applied, false), expected);
        let tried = told(&applied, true);
        assert!(tried.ends_with("stock deleted (dry run)\n"), "{tried}");
        let nothing = v1::Applied {
            version: 7,
            changes: Vec::new(),
        };
        assert_eq!(told(&nothing, false), "nothing changes, version 7\n");
    }
}
