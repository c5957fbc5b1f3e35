//! Files of documents, as `-f` names them, on their way to the control plane.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

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

/// The files, and those in the folders, in their order.
pub fn read(paths: &[PathBuf]) -> Result<Vec<v1::DocumentFile>, Failure> {
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

fn read_input() -> io::Result<Vec<v1::DocumentFile>> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let name = "-".to_owned();
    Ok(vec![v1::DocumentFile { name, text }])
}

fn read_file(path: &Path) -> io::Result<Vec<v1::DocumentFile>> {
    let text = std::fs::read_to_string(path)?;
    let name = path.display().to_string();
    Ok(vec![v1::DocumentFile { name, text }])
}

fn read_folder(folder: &Path) -> io::Result<Vec<v1::DocumentFile>> {
    let files = outrider_folder::read(folder)?.into_iter();
    let named = files.map(|(name, text)| {
        let name = folder.join(name).display().to_string();
        v1::DocumentFile { name, text }
    });
    Ok(named.collect())
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
        let texts: Vec<&str> = files.iter().map(|file| &*file.text).collect();
        assert_eq!(texts, ["a.yml", "b.yaml", "notes.txt"]);
        assert!(files[0].name.ends_with("/a.yml"), "{}", files[0].name);
        let missing = read(&[folder.path().join("c.yaml")]);
        assert!(matches!(missing, Err(Failure::Usage(_))));
    }
}
