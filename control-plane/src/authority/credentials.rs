//! The control plane's certificate, and the operator's in a folder. Both are renewed at half of their
//! life while the process runs, and at every step of a rollover.
//!
//! The one file of the authority that reads the clock and writes files.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::KeyPair;

use super::bundle::LINE_FEEDS;
use super::{Authority, AuthorityError, random_member};
use crate::clock;

/// The folder in `--data` with the operator's certificate, key and bundle, PEM.
pub const OPERATOR_FOLDER: &str = "operator";

const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";
const BUNDLE: &str = "bundle.pem";

/// Life of both, whatever the life of sidecars' certificates is. A copy of the operator's folder can be
/// used for as long; the control plane's key never leaves memory.
pub(super) const LIFE: Duration = Duration::from_secs(24 * 3_600);

/// Longest time between two looks at the clock, which may have been set. Seconds.
const LOOK_SECONDS_MAX: i64 = 30;

/// The operator's folder.
#[derive(Debug)]
pub struct OperatorFolder {
    folder: PathBuf,
    key: KeyPair,
}

impl OperatorFolder {
    /// Opens the folder in `data`, or makes it, and writes the files that are not up to date. Keeps its key.
    ///
    /// # Errors
    /// [`AuthorityError::Signing`]. A failed write is logged, and [`run`] tries again.
    pub fn open(
        authority: &Authority,
        data: &Path,
        now: i64,
    ) -> Result<OperatorFolder, AuthorityError> {
        let folder = data.join(OPERATOR_FOLDER);
        // The key stays the same over restarts, so each of the three files may be replaced alone, and a
        // reader always finds a certificate that fits the key.
        let kept = fs::read_to_string(folder.join(KEY)).ok();
        let kept = kept.and_then(|pem| KeyPair::from_pem(&pem).ok());
        let key = kept.map_or_else(KeyPair::generate, Ok)?;
        let opened = OperatorFolder { folder, key };
        if opened.due(authority) <= now
            && let Err(error) = opened.write(authority, now)
        {
            tracing::error!(%error, "the operator's credential is not written; trying again");
        }
        Ok(opened)
    }

    /// When the files have to be written: at half of the certificate's life, or at once if a file is missing
    /// or the roots are others. Seconds since 1970-01-01 UTC.
    fn due(&self, authority: &Authority) -> i64 {
        let read = |name| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        let is_same = read(KEY) == self.key.serialize_pem()
            && read(BUNDLE) == authority.shared.bundle.borrow().pem();
        let chain = pem::parse_many(read(CERTIFICATE)).unwrap_or_default();
        let chain: Vec<&[u8]> = chain.iter().map(pem::Pem::contents).collect();
        let end = authority.shared.roots.borrow().end_of(&chain, &self.key);
        let due = end.filter(|_| is_same).map(|end| end - half_life_seconds());
        due.unwrap_or(i64::MIN)
    }

    /// Writes all three files, the certificate with a new life.
    fn write(&self, authority: &Authority, now: i64) -> Result<(), AuthorityError> {
        let issued = authority.issue("operator", random_member()?, &self.key, LIFE, now)?;
        let blocks = issued.chain.iter();
        let blocks = blocks.map(|der| pem::Pem::new("CERTIFICATE", der.to_vec()));
        let chain = pem::encode_many_config(&blocks.collect::<Vec<_>>(), LINE_FEEDS);
        let bundle = authority.shared.bundle.borrow().pem();
        let made = fs::create_dir_all(&self.folder);
        made.map_err(|source| AuthorityError::Credential {
            path: self.folder.clone(),
            source,
        })?;
        self.replace(KEY, 0o600, &self.key.serialize_pem())?;
        self.replace(BUNDLE, 0o644, &bundle)?;
        self.replace(CERTIFICATE, 0o644, &chain)
    }

    fn replace(&self, name: &str, mode: u32, text: &str) -> Result<(), AuthorityError> {
        let path = self.folder.join(name);
        let aside = self.folder.join(format!(".{name}.new"));
        let written = write_aside(&aside, mode, text).and_then(|()| fs::rename(&aside, &path));
        written.map_err(|source| AuthorityError::Credential { path, source })
    }
}

fn write_aside(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    // A file that an earlier process left may have another mode.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = fs::OpenOptions::new();
    let options = options.write(true).create_new(true).mode(mode);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Renews both until the process ends. Returns only by being dropped.
pub async fn run(authority: Authority, folder: OperatorFolder) {
    let mut bundle = authority.bundle();
    let mut due = folder.due(&authority);
    let mut said = None;
    loop {
        let wait = wait_seconds(clock::unix_seconds(), due);
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(wait)) => {}
            // Wakes at every step, also at a promotion, which changes the signing root and not the bundle.
            // Cannot fail: we hold the sender.
            _ = bundle.changed() => due = i64::MIN,
        }
        let now = clock::unix_seconds();
        // If the clock was set back, the renewal is at most half a life away all the same.
        due = due.min(now + half_life_seconds());
        if due > now {
            continue;
        }
        let renewed = authority.renew_own(now);
        match renewed.and_then(|()| folder.write(&authority, now)) {
            Ok(()) => (due, said) = (now + half_life_seconds(), None),
            // Tried again each second, logged once.
            Err(error) => {
                let problem = error.to_string();
                if said.as_ref() != Some(&problem) {
                    tracing::error!(problem, "our certificates are not renewed; trying again");
                }
                said = Some(problem);
            }
        }
    }
}

/// Until the next look. At least a second: what failed is tried again, but not without a pause.
fn wait_seconds(now: i64, due: i64) -> u64 {
    let wait = due.saturating_sub(now);
    wait.clamp(1, LOOK_SECONDS_MAX).unsigned_abs()
}

fn half_life_seconds() -> i64 {
    i64::try_from(LIFE.as_secs() / 2).unwrap_or(i64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_looked_at_every_half_minute_and_after_a_failure_every_second() {
        assert_eq!(wait_seconds(1_000, 1_000 + half_life_seconds()), 30);
        assert_eq!(wait_seconds(1_000, 1_007), 7);
        assert_eq!(wait_seconds(1_000, 999), 1);
        assert_eq!(wait_seconds(1_000, i64::MIN), 1);
    }
}
