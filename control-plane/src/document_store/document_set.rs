//! The documents in force, as values: a set, and the difference of two sets.
//!
//! Knows neither how a set is made nor where it is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use outrider_documents::DocumentName;

/// A set of documents. The first one is of version 0 and empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentSet {
    /// One counter for all documents together.
    pub version: u64,
    /// Each document by its name.
    pub documents: BTreeMap<DocumentName, Arc<Document>>,
}

/// A document of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// As it was written, comments included.
    pub text: String,
    /// The version of the set that brought this text.
    pub version: u64,
    /// Who may change it.
    pub source: Source,
}

/// Where a document comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `outrider apply`.
    Applied,
    /// The watched folder.
    Folder {
        /// The name of the file.
        file: String,
        /// The line where the text begins, from 1.
        line: usize,
    },
}

impl Source {
    /// The file of the watched folder that it is in.
    pub fn file(&self) -> Option<&str> {
        match self {
            Source::Applied => None,
            Source::Folder { file, .. } => Some(file),
        }
    }
}

/// A document that differs between two sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentChange {
    /// Which document.
    pub name: DocumentName,
    /// `None`: it is new.
    pub before: Option<Arc<Document>>,
    /// `None`: it has ended.
    pub after: Option<Arc<Document>>,
}

impl DocumentChange {
    /// How it differs, in one word.
    pub fn word(&self) -> &'static str {
        match (&self.before, &self.after) {
            (None, _) => "created",
            (Some(_), None) => "deleted",
            (Some(_), Some(_)) => "changed",
        }
    }
}

/// The documents whose text is not the same in both, in the order of their names.
pub fn changes(before: &DocumentSet, after: &DocumentSet) -> Vec<DocumentChange> {
    let names: BTreeSet<&DocumentName> = before
        .documents
        .keys()
        .chain(after.documents.keys())
        .collect();
    let changed = names.into_iter().map(|name| DocumentChange {
        name: name.clone(),
        before: before.documents.get(name).cloned(),
        after: after.documents.get(name).cloned(),
    });
    changed
        .filter(|DocumentChange { before, after, .. }| {
            text(before.as_ref()) != text(after.as_ref())
        })
        .collect()
}

fn text(document: Option<&Arc<Document>>) -> Option<&str> {
    document.map(|document| document.text.as_str())
}

impl DocumentSet {
    /// Makes the documents of a folder that is no longer watched applied ones.
    pub fn without_folder(mut self) -> DocumentSet {
        for document in self.documents.values_mut() {
            Arc::make_mut(document).source = Source::Applied;
        }
        self
    }
}
