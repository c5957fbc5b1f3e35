//! Why a change of the documents is not taken.

use std::fmt;

use outrider_documents::{DocumentError, DocumentName};

/// Why a change is not taken; nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Everything that is wrong with the documents.
    #[error("{}", Listed(.0))]
    Documents(Vec<DocumentError>),
    /// The certificates in use are of another trust domain.
    #[error("the trust domain is {in_force} and cannot become {wanted}: all certificates name it")]
    TrustDomain {
        /// The trust domain that certificates are issued for.
        in_force: String,
        /// The trust domain of the documents.
        wanted: String,
    },
    /// There is no document of that name.
    #[error("there is no document {0}")]
    NoDocument(DocumentName),
    /// There was no such version, or there is none yet.
    #[error("there is no version {0}")]
    NoVersion(u64),
    /// Other documents need what would be deleted.
    #[error(
        "{} cannot be deleted, because it is in use by {}: change or delete that first",
        joined(.documents), .by.join(", ")
    )]
    InUse {
        /// What would be deleted.
        documents: Vec<DocumentName>,
        /// What names it: a document or a file, and the line.
        by: Vec<String>,
    },
    /// Another version is in force than the one that was to be changed.
    #[error(
        "version {in_force} is in force and not {wanted}: look at what has changed, then apply again"
    )]
    OtherVersion {
        /// The version that was expected.
        wanted: u64,
        /// The version in force.
        in_force: u64,
    },
    /// The same id was used for an apply of other documents.
    #[error(
        "the id {id} was used for other documents, which made version {version}: take another one"
    )]
    UsedId {
        /// The id.
        id: String,
        /// What was made under it.
        version: u64,
    },
    /// The id of an apply is too long to be kept.
    #[error("the id of an apply has 64 octets at most")]
    LongId,
    /// No applied document would be left; more likely a wrong file than intended.
    #[error(
        "there is no document in what is applied, and --prune would end all others: to end them, delete them by name"
    )]
    NothingStays,
    /// The document would change, and only its file may change it.
    #[error("{document} is kept in {file} of the watched folder: change it there")]
    InFolder {
        /// Which document.
        document: DocumentName,
        /// The file of the watched folder.
        file: String,
    },
    /// It looks like a file that is still being written.
    #[error(
        "{file} is empty, but documents from it are in force: delete the file if that is meant"
    )]
    EmptyFile {
        /// The file of the watched folder.
        file: String,
    },
    /// The watched folder cannot be read.
    #[error("{folder}: {problem}")]
    Folder {
        /// Its path.
        folder: String,
        /// What the system says, and of which file.
        problem: String,
    },
}

impl Refusal {
    /// One line: the first problem, and how many more there are.
    pub fn summary(&self) -> String {
        let Refusal::Documents(errors) = self else {
            return self.to_string();
        };
        let Some(first) = errors.first() else {
            return String::new();
        };
        let DocumentError {
            file,
            line,
            column,
            message,
            ..
        } = first;
        let more = match errors.len() {
            1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        format!("{file}:{line}:{column}: {message}{more}")
    }
}

fn joined(names: &[DocumentName]) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    names.join(", ")
}

/// Each error with its place and line, as `outrider validate` shows them.
struct Listed<'a>(&'a [DocumentError]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let between = if index == 0 { "" } else { "\n" };
            write!(f, "{between}{error}")?;
        }
        Ok(())
    }
}
