//! The folder of documents: which files count, and their text at one moment.
//!
//! Knows nothing of what is in them. The same function serves the start, the watch and
//! `outrider validate`, so that all three see the same files. Works with a Kubernetes ConfigMap:
//! names that begin with a dot (`..data`) are its own bookkeeping and skipped; links are followed.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::text::read_text;

/// Largest document file. Bytes; 4 MiB. A larger one is refused rather than read: it is not a
/// hand-written document.
pub const FILE_BYTES_MAX: u64 = 4 << 20;

/// Most files in a folder of documents. More is refused: the folder is not the one that was meant.
pub const FILES_MAX: usize = 10_000;

/// The documents' text at one moment: (file name, text), ordered by name.
pub type Files = Vec<(String, String)>;

/// What is in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The documents.
    pub files: Files,
    /// What is not read, by name; names that begin with a dot are left out.
    pub unread: Vec<String>,
}

/// Reads all `*.yaml`, `*.yml` and `*.json` files (in any case) directly in `folder`, ordered by
/// name.
///
/// # Errors
/// When the folder or one of the files cannot be read, is no text or is over its limit; the
/// message names the file. When there is no such file: the folder is not the one that was meant.
pub fn read(folder: &Path) -> io::Result<Contents> {
    let mut names = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .filter(|name| name.as_ref().map_or(true, |name| !name.starts_with('.')))
        .take(FILES_MAX + 1)
        .collect::<io::Result<Vec<String>>>()?;
    if names.len() > FILES_MAX {
        return Err(io::Error::other(format!("more than {FILES_MAX} files")));
    }
    names.sort_unstable();
    let (documents, unread): (Vec<_>, Vec<_>) = names.into_iter().partition(|it| is_document(it));
    if documents.is_empty() {
        let problem = "it holds no *.yaml, *.yml or *.json file";
        return Err(io::Error::new(ErrorKind::NotFound, problem));
    }
    let read = |name: String| match read_file(&folder.join(&name)) {
        Ok(text) => Ok((name, text)),
        Err(error) => Err(io::Error::new(error.kind(), format!("{name}: {error}"))),
    };
    Ok(Contents {
        files: documents.into_iter().map(read).collect::<io::Result<_>>()?,
        unread,
    })
}

fn is_document(name: &str) -> bool {
    let extension = Path::new(name).extension().unwrap_or_default();
    let mut extensions = ["yaml", "yml", "json"].iter();
    extensions.any(|known| extension.eq_ignore_ascii_case(known))
}

fn read_file(path: &Path) -> io::Result<String> {
    // Asked before it is opened: to open a pipe would wait for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    read_text(fs::File::open(path)?, FILE_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("a file is written");
        }
        folder
    }

    #[test]
    fn reads_documents_in_the_order_of_their_names_and_names_the_rest() {
        let names = [
            "b.yml",
            "a.yaml",
            "D.YAML",
            "c.Json",
            "notes.txt",
            "yaml",
            "a.yaml~",
            ".e.yaml",
        ];
        let folder = folder(&names.map(|name| (name, name)));
        fs::create_dir(folder.path().join("more")).expect("a folder is made");
        let Contents { files, unread } = read(folder.path()).expect("the folder is readable");
        let files: Vec<_> = files
            .iter()
            .map(|(name, text)| (&**name, &**text))
            .collect();
        let documents = ["D.YAML", "a.yaml", "b.yml", "c.Json"];
        assert_eq!(files, documents.map(|name| (name, name)));
        assert_eq!(unread, ["a.yaml~", "more", "notes.txt", "yaml"]);
    }

    #[test]
    fn what_is_called_like_a_document_must_be_a_file() {
        let folder = folder(&[]);
        fs::create_dir(folder.path().join("a.yaml")).expect("a folder is made");
        let error = read(folder.path()).expect_err("no file");
        assert_eq!(error.to_string(), "a.yaml: not a regular file");
    }

    #[test]
    fn follows_the_links_of_a_config_map_and_skips_its_bookkeeping() {
        let folder = folder(&[]);
        let data = folder.path().join("..2026_11_21");
        fs::create_dir(&data).expect("a folder is made");
        fs::write(data.join("a.yaml"), "1").expect("a file is written");
        std::os::unix::fs::symlink("..2026_11_21", folder.path().join("..data")).expect("a link");
        std::os::unix::fs::symlink("..data/a.yaml", folder.path().join("a.yaml")).expect("a link");
        let Contents { files, unread } = read(folder.path()).expect("the folder is readable");
        assert_eq!(files, [("a.yaml".into(), "1".into())]);
        assert!(unread.is_empty(), "{unread:?}");
    }

    #[test]
    fn names_the_file_that_cannot_be_read() {
        let folder = folder(&[]);
        fs::write(folder.path().join("a.yaml"), [0xe9]).expect("a file is written");
        let error = read(folder.path()).expect_err("not UTF-8");
        assert!(error.to_string().starts_with("a.yaml: "), "{error}");
    }

    #[test]
    fn a_folder_without_documents_is_not_the_one_that_was_meant() {
        let folder = folder(&[("notes.txt", "no")]);
        let error = read(folder.path()).expect_err("no document");
        assert_eq!(
            error.to_string(),
            "it holds no *.yaml, *.yml or *.json file"
        );
    }

    #[test]
    fn refuses_a_file_that_is_no_document_by_its_size() {
        let folder = folder(&[("a.yaml", &"#".repeat(FILE_BYTES_MAX as usize + 1))]);
        let error = read(folder.path()).expect_err("too large");
        assert_eq!(error.to_string(), "a.yaml: larger than 4194304 bytes");
    }
}
