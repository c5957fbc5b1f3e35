//! A file to its documents: what each is called, and its text as it was written.
//!
//! For a control plane, which keeps documents one by one. Only names are read here; whether a document is right,
//! and right beside the others, says [`crate::load`].

use crate::error::{DocumentError, Place, Report};
use crate::stream::{self, Text};
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::fmt;

/// What a document is called; no two of a mesh are called the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DocumentName {
    /// `Service`, `GRPCRoute`, ...
    pub kind: String,
    /// `default` where none is written.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

/// `Service/default/orders`.
impl fmt::Display for DocumentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DocumentName {
            kind,
            namespace,
            name,
        } = self;
        write!(f, "{kind}/{namespace}/{name}")
    }
}

/// A document of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// What it is called.
    pub name: DocumentName,
    /// All its lines, comments and directives included, without a bare `---` before it and the
    /// `...` after it; the last line ends with a line break.
    pub text: String,
    /// The line of the file where the text begins, from 1.
    pub line: usize,
    place: Place,
}

impl Written {
    /// Says that something is wrong with the document, where its name stands; `file` is the one
    /// that it was split from, as (name, text).
    pub fn refuse(&self, file: (&str, &str), message: &str) -> DocumentError {
        refuse(file, self.place, message)
    }
}

/// The documents of a file, given as (name, text), in their order. No I/O happens here.
///
/// # Errors
/// Instead of a document whose name cannot be read: why not. [`crate::load`] refuses that one too.
pub fn split(file: (&str, &str)) -> Vec<Result<Written, DocumentError>> {
    let documents = stream::split(0, file.1).into_iter();
    documents.map(|document| read(file, &document)).collect()
}

/// The texts of documents as one file: [`split`] finds the same texts in it.
pub fn join<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    stream::join(texts)
}

/// Are there only comments and marks in the text of a file, and no document?
pub fn is_empty(text: &str) -> bool {
    stream::split(0, text).is_empty()
}

/// What is read of a document to know what it is called.
#[derive(Deserialize)]
struct Head {
    kind: String,
    metadata: HeadMetadata,
}

#[derive(Deserialize)]
struct HeadMetadata {
    name: Spanned<String>,
    namespace: Option<String>,
}

fn read(file: (&str, &str), document: &Text<'_>) -> Result<Written, DocumentError> {
    let files = [file];
    let mut report = Report::new(&files);
    let Some(head) = document.parse::<Head>(&mut report) else {
        let unreadable = || refuse(file, document.place(), "the document cannot be read");
        let error = report.into_errors().into_iter().next();
        return Err(error.unwrap_or_else(unreadable));
    };
    let Head { kind, metadata } = head;
    let (lines_skipped, text) = without_marker(document.text);
    Ok(Written {
        name: DocumentName {
            kind,
            namespace: metadata.namespace.unwrap_or_else(|| "default".to_owned()),
            name: metadata.name.value,
        },
        text: stream::ended(text),
        line: document.origin.lines_before + lines_skipped + 1,
        place: document.origin.place(metadata.name.referenced),
    })
}

/// The text from its first line that is neither empty nor a bare `---`, and how many are before.
fn without_marker(text: &str) -> (usize, &str) {
    let (mut lines, mut offset) = (0, 0);
    for line in stream::lines(text) {
        if !matches!(line.trim_end(), "" | "---") {
            break;
        }
        lines += 1;
        offset += line.len();
    }
    (lines, &text[offset..])
}

fn refuse(file: (&str, &str), place: Place, message: &str) -> DocumentError {
    let line = stream::lines(file.1).nth(place.line.saturating_sub(1));
    DocumentError {
        file: file.0.to_owned(),
        line: place.line,
        column: place.column,
        message: message.to_owned(),
        snippet: line
            .unwrap_or_default()
            .trim_end()
            .replace(char::is_control, " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERS: &str = "# The orders.\nkind: Service\nmetadata: { name: orders }\n";
    const CANARY: &str = "kind: GRPCRoute\nmetadata:\n  name: canary\n  namespace: shop\n";

    fn names(text: &str) -> Vec<String> {
        let documents = split(("f.yaml", text)).into_iter();
        let name = |document: Result<Written, DocumentError>| match document {
            Ok(document) => format!("{}:{}", document.line, document.name),
            Err(error) => format!("{}:{} {}", error.line, error.column, error.message),
        };
        documents.map(name).collect()
    }

    #[test]
    fn a_document_keeps_its_text_and_loses_its_marker() {
        let text = format!("---\n\n{ORDERS}---\n{CANARY}");
        let documents = split(("f.yaml", &text));
        let texts: Vec<_> = documents.into_iter().flatten().collect();
        assert_eq!([&*texts[0].text, &*texts[1].text], [ORDERS, CANARY]);
        let expected = ["3:Service/default/orders", "7:GRPCRoute/shop/canary"];
        assert_eq!(names(&text), expected);
    }

    #[test]
    fn a_document_on_the_line_of_its_marker_is_whole() {
        let text = "--- { kind: Mesh, metadata: { name: mesh } }\n";
        let documents: Vec<_> = split(("f.yaml", text)).into_iter().flatten().collect();
        assert_eq!(documents[0].text, text);
    }

    #[test]
    fn a_name_that_cannot_be_read_is_said_and_hides_no_other() {
        let text = format!("kind: Service\n---\n- 1\n---\n{ORDERS}");
        let found = names(&text);
        assert!(found[0].contains("metadata"), "{found:?}");
        assert!(found[1].starts_with("3:"), "{found:?}");
        assert_eq!(found[2], "5:Service/default/orders");
    }

    #[test]
    fn a_refusal_stands_where_the_name_is() {
        let text = format!("{ORDERS}---\n{CANARY}");
        let document = split(("f.yaml", &text)).pop().expect("two documents");
        let error = document.expect("readable").refuse(("f.yaml", &text), "no");
        let DocumentError { line, column, .. } = error;
        assert_eq!((line, column), (7, 9));
        assert_eq!(error.snippet, "  name: canary");
    }
}
