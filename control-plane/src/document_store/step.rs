//! One step of the documents: a set and a change of it to the next set, or every reason why not.
//!
//! Pure: no store, no clock, no folder. The whole resulting set is checked, never a part.

use std::collections::BTreeSet;

use outrider_documents::{DocumentName, Documents, load};

use super::change::{Change, WantedSet, wanted};
use super::document_set::{DocumentChange, DocumentSet, Source, changes};
use super::refusal::Refusal;

/// The result of a change.
#[derive(Clone, Debug)]
pub struct NextSet {
    /// The set; of the same version as before if no text changed.
    pub set: DocumentSet,
    /// What became of which document. Empty: nothing changed.
    pub changed: Vec<DocumentChange>,
    /// The set, checked.
    pub documents: Documents,
}

/// The set after `change`. `trust_domain` is the one that certificates name; `None`: none yet.
///
/// # Errors
/// Why nothing changes.
pub fn step(
    trust_domain: Option<&str>,
    set: &DocumentSet,
    change: Change,
) -> Result<NextSet, Refusal> {
    let deleted = match &change {
        Change::Delete(names) => names.clone(),
        Change::Apply(_) | Change::Replace(_) | Change::Rollback(_) | Change::Folder(_) => {
            Vec::new()
        }
    };
    let mut wanted = wanted(set, change)?;
    let documents = check(&wanted).map_err(|refusal| in_use(set, deleted, refusal))?;
    keep_trust_domain(trust_domain, &documents)?;
    let changed = changes(set, &wanted.set);
    if changed.is_empty() {
        wanted.set.version = set.version;
    }
    Ok(NextSet {
        set: wanted.set,
        changed,
        documents,
    })
}

/// Documents that are wrong without those that would be deleted, and right with them, need them.
fn in_use(set: &DocumentSet, deleted: Vec<DocumentName>, refusal: Refusal) -> Refusal {
    let Refusal::Documents(errors) = &refusal else {
        return refusal;
    };
    if deleted.is_empty() || check_stored(None, set).is_err() {
        return refusal;
    }
    let by: BTreeSet<String> = errors
        .iter()
        .map(|error| format!("{} (line {})", error.file, error.line))
        .collect();
    Refusal::InUse {
        documents: deleted,
        by: by.into_iter().collect(),
    }
}

/// A set that was stored, checked again: the rules may be stricter than when it was taken.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check_stored(trust_domain: Option<&str>, set: &DocumentSet) -> Result<Documents, Refusal> {
    let stored = WantedSet {
        set: set.clone(),
        ..WantedSet::default()
    };
    let documents = check(&stored)?;
    keep_trust_domain(trust_domain, &documents)?;
    Ok(documents)
}

fn check(wanted: &WantedSet) -> Result<Documents, Refusal> {
    let stored = wanted.set.documents.iter();
    let others = stored.filter(|(name, _)| !wanted.written.contains(name));
    let others: Vec<(String, String)> = others
        .map(|(name, document)| placed(name, &document.text, &document.source))
        .collect();
    match load(&oldest_first(wanted, &others)) {
        Ok(documents) if wanted.collisions.is_empty() && wanted.unreadable.is_empty() => {
            Ok(documents)
        }
        Ok(_) => Err(Refusal::Documents(
            [&*wanted.collisions, &*wanted.unreadable].concat(),
        )),
        // What cannot be read is among the errors.
        Err(errors) => Err(Refusal::Documents([&*wanted.collisions, &*errors].concat())),
    }
}

/// The files as they are checked. Of two documents that clash the later one is refused, so what is
/// new comes last.
fn oldest_first<'w>(
    wanted: &'w WantedSet,
    others: &'w [(String, String)],
) -> Vec<(&'w str, &'w str)> {
    let DocumentSet { version, documents } = &wanted.set;
    let new = documents.values().filter(|it| it.version == *version);
    let new: BTreeSet<&str> = new.filter_map(|it| it.source.file()).collect();
    let (new, old): (Vec<_>, Vec<_>) = wanted
        .files
        .iter()
        .partition(|(name, _)| new.contains(name.as_str()));
    let files = others.iter().chain(old).chain(new);
    files.map(|(name, text)| (&**name, &**text)).collect()
}

/// A stored document as a file: one of the folder has its lines where they are in its file.
fn placed(name: &DocumentName, text: &str, source: &Source) -> (String, String) {
    match source {
        Source::Applied => (name.to_string(), text.to_owned()),
        Source::Folder { file, line } => {
            let before = "\n".repeat(line.saturating_sub(1));
            (file.clone(), format!("{before}{text}"))
        }
    }
}

fn keep_trust_domain(in_force: Option<&str>, documents: &Documents) -> Result<(), Refusal> {
    match in_force {
        Some(in_force) if in_force != documents.trust_domain() => Err(Refusal::TrustDomain {
            in_force: in_force.to_owned(),
            wanted: documents.trust_domain().to_owned(),
        }),
        Some(_) | None => Ok(()),
    }
}
