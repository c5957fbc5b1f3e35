//! Files of documents, as `-f` names them, on their way to the control plane.

use std::io;
use std::path::{Path, PathBuf};

use outrider_host::folder::Files;
use outrider_proto::v1;
use outrider_proto::v1::operator_client::OperatorClient;
use tonic::transport::Channel;

use crate::failure::Failure;

/// Largest message either way. Bytes; 64 MiB, as the control plane takes.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// A client with room for all documents of a mesh in one message.
pub fn roomy(client: OperatorClient<Channel>) -> OperatorClient<Channel> {
    client.max_decoding_message_size(MESSAGE_BYTES_MAX)
}

/// The files, and those in the folders, in their order; what is not read of a folder is said.
pub fn read(paths: &[PathBuf]) -> Result<Files, Failure> {
    let mut files = Vec::new();
    for path in paths {
        let read = match path {
            path if path == Path::new("-") => read_input(),
            path if path.is_dir() => read_folder(path),
            path => read_file(path),
        };
        let unreadable = |error| Failure::Usage(format!("{}: {error}", path.display()));
        files.extend(read.map_err(unreadable)?);
    }
    Ok(files)
}

/// As [`read`], as a message.
pub fn message(paths: &[PathBuf]) -> Result<Vec<v1::DocumentFile>, Failure> {
    let files = read(paths)?.into_iter();
    Ok(files
        .map(|(name, text)| v1::DocumentFile { name, text })
        .collect())
}

fn read_input() -> io::Result<Files> {
    let text = outrider_host::folder::read_text(io::stdin(), MESSAGE_BYTES_MAX as u64)?;
    Ok(vec![("-".to_owned(), text)])
}

fn read_file(path: &Path) -> io::Result<Files> {
    let file = std::fs::File::open(path)?;
    let text = outrider_host::folder::read_text(file, MESSAGE_BYTES_MAX as u64)?;
    Ok(vec![(path.display().to_string(), text)])
}

fn read_folder(folder: &Path) -> io::Result<Files> {
    let contents = outrider_host::folder::read(folder)?;
    let within = |name: String| folder.join(name).display().to_string();
    for other in contents.unread {
        eprintln!(
            "note: {} is {}",
            within(other),
            outrider_host::folder::NOT_READ
        );
    }
    let files = contents.files.into_iter();
    Ok(files.map(|(name, text)| (within(name), text)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stands_for_the_documents_in_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["b.yaml", "a.yml", "notes.txt"] {
            std::fs::write(folder.path().join(name), name).expect("a file is written");
        }
        let alone = folder.path().join("notes.txt");
        let paths = [folder.path().to_owned(), alone];
        let files = read(&paths).expect("they are there");
        let texts: Vec<&str> = files.iter().map(|(_, text)| &**text).collect();
        assert_eq!(texts, ["a.yml", "b.yaml", "notes.txt"]);
        assert!(files[0].0.ends_with("/a.yml"), "{}", files[0].0);
        let missing = read(&[folder.path().join("c.yaml")]);
        assert!(matches!(missing, Err(Failure::Usage(_))));
    }
}
