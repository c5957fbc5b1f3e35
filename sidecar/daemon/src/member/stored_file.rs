//! Files with a header, a SHA-256 checksum and a protobuf message; a damaged file is refused.
//!
//! A file is replaced by writing beside it, syncing and renaming, so that a crash leaves the old
//! or the new one; the checksum detects damage by the disk. It does not protect against a writer
//! with access to the folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use prost::Message;

/// Only the owner reads: one of the files holds a key.
const MODE: u32 = 0o600;

/// A message that is kept in a file of its own.
pub trait StoredFile: Message + Default {
    /// Its file.
    const FILE: &'static str;
    /// How the file begins. The digit is the version of the form.
    const HEAD: &'static [u8];

    /// Features that the reader must know.
    fn required_features(&self) -> &[String];
}

/// Reads the file of `M` in `folder`; `None` when there is none.
///
/// # Errors
/// One sentence for people: the file cannot be read, is torn, or is something else.
pub fn read<M: StoredFile>(folder: &Path) -> Result<Option<M>, String> {
    let path = folder.join(M::FILE);
    let octets = match fs::read(&path) {
        Ok(octets) => octets,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
    };
    let opened = decode(&octets);
    let opened = opened.map_err(|problem| format!("{} {problem}", path.display()))?;
    Ok(Some(opened))
}

/// Replaces the file of `M` in `folder`. Blocks until it is on the disk.
///
/// # Errors
/// What the system said; the old file stays.
pub fn write<M: StoredFile>(folder: &Path, message: &M) -> io::Result<()> {
    let aside = folder.join(format!(".{}.new", M::FILE));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(MODE);
    let mut file = options.open(&aside)?;
    file.write_all(&encode(message))?;
    file.sync_all()?;
    fs::rename(&aside, folder.join(M::FILE))?;
    File::open(folder)?.sync_all()
}

fn encode<M: StoredFile>(message: &M) -> Vec<u8> {
    let body = message.encode_to_vec();
    [M::HEAD, digest(&SHA256, &body).as_ref(), &body].concat()
}

fn decode<M: StoredFile>(octets: &[u8]) -> Result<M, String> {
    let rest = octets.strip_prefix(M::HEAD);
    let rest = rest.ok_or("is of something else or of another version")?;
    let (sum, body) = rest
        .split_at_checked(SHA256_OUTPUT_LEN)
        .ok_or("is cut off")?;
    if digest(&SHA256, body).as_ref() != sum {
        return Err("is damaged: its checksum is wrong".to_owned());
    }
    let message = M::decode(body).map_err(|error| format!("is not readable: {error}"))?;
    match message.required_features() {
        [] => Ok(message),
        [feature, ..] => Err(format!("needs {feature}, which this version does not know")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outrider_proto::v1::{StoredConfiguration, StoredIdentity};

    fn stored() -> StoredConfiguration {
        StoredConfiguration {
            identity: "spiffe://outrider.local/ns/default/svc/orders".to_owned(),
            saved_unix: 7,
            ..StoredConfiguration::default()
        }
    }

    #[test]
    fn what_was_written_is_read_and_nobody_else_may() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let found = read::<StoredConfiguration>(folder.path());
        assert_eq!(found, Ok(None));
        for saved_unix in [7, 8] {
            let stored = StoredConfiguration {
                saved_unix,
                ..stored()
            };
            write(folder.path(), &stored).expect("it is written");
            assert_eq!(read(folder.path()), Ok(Some(stored)));
        }
        let file = fs::metadata(folder.path().join("configuration")).expect("it is there");
        assert_eq!(file.permissions().mode() & 0o777, MODE);
        assert_eq!(fs::read_dir(folder.path()).into_iter().flatten().count(), 1);
    }

    #[test]
    fn a_file_that_lost_an_octet_or_got_another_is_refused() {
        let whole = encode(&stored());
        for end in 0..whole.len() {
            assert!(
                decode::<StoredConfiguration>(&whole[..end]).is_err(),
                "{end}"
            );
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert!(decode::<StoredConfiguration>(&damaged).is_err(), "{at}");
        }
        let longer = [&whole[..], b"\0"].concat();
        assert!(decode::<StoredConfiguration>(&longer).is_err());
    }

    #[test]
    fn a_file_of_another_kind_or_of_the_future_is_refused() {
        let other = decode::<StoredIdentity>(&encode(&stored()));
        let problem = "is of something else or of another version";
        assert_eq!(other.err().as_deref(), Some(problem));
        let future = StoredConfiguration {
            required_features: vec!["shards".to_owned()],
            ..stored()
        };
        let problem = "needs shards, which this version does not know";
        let future = decode::<StoredConfiguration>(&encode(&future));
        assert_eq!(future.err().as_deref(), Some(problem));
    }
}
