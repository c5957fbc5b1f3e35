//! From a set and a change of it to the set that is wanted, before anything is checked.
//!
//! Decides the source of a document: one of the watched folder is changed only by its file, one that was
//! applied only by `outrider apply`, `delete` and `rollback`. Reads text only to find names.

use std::collections::BTreeSet;
use std::sync::Arc;

use outrider_documents::{DocumentError, DocumentName, Written, split};
use outrider_host::folder::Files;

use super::document_set::{Document, DocumentChange, DocumentSet, Source, changes};
use super::refusal::Refusal;

/// A requested change.
#[derive(Clone, Debug)]
pub enum Change {
    /// Create or change these documents.
    Apply(Files),
    /// Create or change these documents and delete all other applied ones.
    Replace(Files),
    /// Delete these documents.
    Delete(Vec<DocumentName>),
    /// Bring back this set.
    Rollback(DocumentSet),
    /// Replace the documents of the watched folder; applied ones stay.
    Folder(Files),
}

impl Change {
    /// The files that it brings.
    pub fn files(&self) -> &[(String, String)] {
        match self {
            Change::Apply(files) | Change::Replace(files) | Change::Folder(files) => files,
            Change::Delete(_) | Change::Rollback(_) => &[],
        }
    }
}

/// The set that would result.
#[derive(Clone, Debug, Default)]
pub struct WantedSet {
    /// The set, numbered as the next version; what is the same as before keeps its version.
    pub set: DocumentSet,
    /// The files that are being written, for problems to have their places.
    pub files: Files,
    /// What is written in them.
    pub written: BTreeSet<DocumentName>,
    /// Documents that have another source.
    pub collisions: Vec<DocumentError>,
    /// Documents that are missing in `set`: their names cannot be read.
    pub unreadable: Vec<DocumentError>,
}

/// What `change` makes of `set`.
///
/// # Errors
/// What needs no look at the other documents to be refused.
pub fn wanted(set: &DocumentSet, change: Change) -> Result<WantedSet, Refusal> {
    match change {
        Change::Apply(files) => Ok(apply(set, files)),
        Change::Replace(files) => replace(set, files),
        Change::Delete(names) => delete(set, &names),
        Change::Rollback(target) => rollback(set, &target),
        Change::Folder(files) => folder(set, files),
    }
}

fn apply(set: &DocumentSet, files: Files) -> WantedSet {
    let mut wanted = WantedSet::after(set, |_| true);
    for file in &files {
        for document in wanted.read(file) {
            let kept = set.documents.get(&document.name);
            if let Some((kept, file_name)) = kept.and_then(|kept| Some((kept, file_of(kept)?))) {
                // The text is that of the file: nothing changes, so the file need not change.
                if kept.text == document.text {
                    continue;
                }
                let name = &document.name;
                let message =
                    format!("{name} is in {file_name} of the watched folder: change it there");
                wanted.collide(&document, file, &message);
            }
            wanted.insert(set, document.name, document.text, Source::Applied);
        }
    }
    WantedSet { files, ..wanted }
}

fn folder(set: &DocumentSet, files: Files) -> Result<WantedSet, Refusal> {
    let mut wanted = WantedSet::after(set, |document| document.source == Source::Applied);
    for file in &files {
        let documents = wanted.read(file);
        refuse_emptied(set, &file.0, &documents)?;
        for document in documents {
            let before = set.documents.get(&document.name);
            if let Some(applied) = before.filter(|before| before.source == Source::Applied) {
                let Document { version, .. } = **applied;
                let name = &document.name;
                let message = format!("{name} was applied (version {version}): delete one of them");
                wanted.collide(&document, file, &message);
            }
            let (file, line) = (file.0.clone(), document.line);
            let source = Source::Folder { file, line };
            wanted.insert(set, document.name, document.text, source);
        }
    }
    Ok(WantedSet { files, ..wanted })
}

fn replace(set: &DocumentSet, files: Files) -> Result<WantedSet, Refusal> {
    let mut wanted = apply(set, files);
    if wanted.written.is_empty() && wanted.unreadable.is_empty() {
        return Err(Refusal::NothingStays);
    }
    let written = &wanted.written;
    let stays = |name: &DocumentName, document: &Document| {
        document.source != Source::Applied || written.contains(name)
    };
    wanted
        .set
        .documents
        .retain(|name, document| stays(name, document));
    Ok(wanted)
}

/// A file that has lost all its documents is probably still being written.
fn refuse_emptied(set: &DocumentSet, file: &str, documents: &[Written]) -> Result<(), Refusal> {
    let mut in_force = set.documents.values();
    if documents.is_empty() && in_force.any(|document| file_of(document) == Some(file)) {
        let file = file.to_owned();
        return Err(Refusal::EmptyFile { file });
    }
    Ok(())
}

fn delete(set: &DocumentSet, names: &[DocumentName]) -> Result<WantedSet, Refusal> {
    let mut wanted = WantedSet::after(set, |_| true);
    for name in names {
        let deleted = set.documents.get(name);
        let deleted = deleted.ok_or_else(|| Refusal::NoDocument(name.clone()))?;
        in_no_folder(name, deleted)?;
        wanted.set.documents.remove(name);
    }
    Ok(wanted)
}

fn rollback(set: &DocumentSet, target: &DocumentSet) -> Result<WantedSet, Refusal> {
    let mut wanted = WantedSet::after(set, |_| true);
    for DocumentChange {
        name,
        before,
        after,
    } in changes(set, target)
    {
        for document in before.iter().chain(&after) {
            in_no_folder(&name, document)?;
        }
        match after {
            Some(document) => wanted.insert(set, name, document.text.clone(), Source::Applied),
            None => drop(wanted.set.documents.remove(&name)),
        }
    }
    Ok(wanted)
}

fn in_no_folder(name: &DocumentName, document: &Arc<Document>) -> Result<(), Refusal> {
    match file_of(document) {
        None => Ok(()),
        Some(file) => Err(Refusal::InFolder {
            document: name.clone(),
            file: file.to_owned(),
        }),
    }
}

/// The file of the watched folder that a document is in.
fn file_of(document: &Arc<Document>) -> Option<&str> {
    document.source.file()
}

impl WantedSet {
    /// The version after `set`, with what is to stay of it.
    fn after(set: &DocumentSet, stays: impl Fn(&Document) -> bool) -> WantedSet {
        let mut documents = set.documents.clone();
        documents.retain(|_, document| stays(document));
        let version = set.version + 1;
        WantedSet {
            set: DocumentSet { version, documents },
            ..WantedSet::default()
        }
    }

    fn read(&mut self, file: &(String, String)) -> Vec<Written> {
        let mut documents = Vec::new();
        for document in split((&file.0, &file.1)) {
            match document {
                Ok(document) => {
                    self.written.insert(document.name.clone());
                    documents.push(document);
                }
                Err(error) => self.unreadable.push(error),
            }
        }
        documents
    }

    fn collide(&mut self, document: &Written, file: &(String, String), message: &str) {
        let error = document.refuse((&file.0, &file.1), message);
        self.collisions.push(error);
    }

    fn insert(&mut self, before: &DocumentSet, name: DocumentName, text: String, source: Source) {
        let same = before
            .documents
            .get(&name)
            .filter(|known| known.text == text);
        let version = same.map_or(self.set.version, |same| same.version);
        let document = Document {
            text,
            version,
            source,
        };
        self.set.documents.insert(name, Arc::new(document));
    }
}
