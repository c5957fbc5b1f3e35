//! The folder of documents: which files count, and their text at one moment.
//!
//! Knows nothing of what is in them. The same function serves the start, the watch and
//! `outrider validate`, so that all three see the same files. Works with a Kubernetes ConfigMap:
//! names that begin with a dot (`..data`) are its own bookkeeping and skipped; links are followed.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Largest document file. Bytes; 4 MiB. A larger one is refused rather than read: it is not a
/// hand-written document.
pub const FILE_BYTES_MAX: u64 = 4 << 20;

/// Most files in a folder of documents. More is refused: the folder is not the one that was meant.
pub const FILES_MAX: usize = 10_000;

/// The documents' text at one moment: (file name, text), ordered by name.
pub type Files = Vec<(String, String)>;

/// Reads all `*.yaml` and `*.yml` files directly in `folder`, ordered by name.
///
/// # Errors
/// When the folder or one of the files cannot be read, is not UTF-8 or is over its limit; the
/// message names the file. When there is no such file: the folder is not the one that was meant.
pub fn read(folder: &Path) -> io::Result<Files> {
    let mut names = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .filter(|name| name.as_ref().map_or(true, |name| is_document(name)))
        .take(FILES_MAX + 1)
        .collect::<io::Result<Vec<String>>>()?;
    if names.len() > FILES_MAX {
        return Err(io::Error::other(format!("more than {FILES_MAX} documents")));
    }
    if names.is_empty() {
        let problem = "it holds no *.yaml or *.yml file";
        return Err(io::Error::new(ErrorKind::NotFound, problem));
    }
    names.sort_unstable();
    names
        .into_iter()
        .map(|name| match read_file(&folder.join(&name)) {
            Ok(text) => Ok((name, text)),
            Err(error) => Err(io::Error::new(error.kind(), format!("{name}: {error}"))),
        })
        .collect()
}

fn is_document(name: &str) -> bool {
    !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml"))
}

fn read_file(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    // One byte more than allowed tells "too large" from "just fits" even while the file grows.
    let mut file = fs::File::open(path)?.take(FILE_BYTES_MAX + 1);
    let length = file.read_to_string(&mut text)?;
    if length as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!(
            "larger than {FILE_BYTES_MAX} bytes"
        )));
    }
    Ok(text)
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
    fn reads_yaml_files_in_the_order_of_their_names() {
        let folder = folder(&[("b.yml", "2"), ("a.yaml", "1"), ("notes.txt", "no")]);
        let files = read(folder.path()).expect("the folder is readable");
        assert_eq!(
            files,
            [("a.yaml".into(), "1".into()), ("b.yml".into(), "2".into())]
        );
    }

    #[test]
    fn follows_the_links_of_a_config_map_and_skips_its_bookkeeping() {
        let folder = folder(&[]);
        let data = folder.path().join("..2026_11_21");
        fs::create_dir(&data).expect("a folder is made");
        fs::write(data.join("a.yaml"), "1").expect("a file is written");
        std::os::unix::fs::symlink("..2026_11_21", folder.path().join("..data")).expect("a link");
        std::os::unix::fs::symlink("..data/a.yaml", folder.path().join("a.yaml")).expect("a link");
        let files = read(folder.path()).expect("the folder is readable");
        assert_eq!(files, [("a.yaml".into(), "1".into())]);
    }

    #[test]
    fn names_the_file_that_cannot_be_read() {
        let folder = folder(&[]);
        fs::write(folder.path().join("a.yaml"), [0xff, 0xfe]).expect("a file is written");
        let error = read(folder.path()).expect_err("not UTF-8");
        assert!(error.to_string().starts_with("a.yaml: "), "{error}");
    }

    #[test]
    fn a_folder_without_documents_is_not_the_one_that_was_meant() {
        let folder = folder(&[("notes.txt", "no")]);
        let error = read(folder.path()).expect_err("no document");
        assert_eq!(error.to_string(), "it holds no *.yaml or *.yml file");
    }

    #[test]
    fn refuses_a_file_that_is_no_document_by_its_size() {
        let folder = folder(&[("a.yaml", &"#".repeat(FILE_BYTES_MAX as usize + 1))]);
        let error = read(folder.path()).expect_err("too large");
        assert_eq!(error.to_string(), "a.yaml: larger than 4194304 bytes");
    }
}
