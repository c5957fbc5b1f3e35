//! Replaces the store of a control plane that does not run with a backup, and says what that brings back.
//!
//! The present store is kept beside it. A token that is revoked in the present store stays revoked in the
//! restored one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use outrider_proto::v1;

use crate::authority::{self, AuthorityError};
use crate::storage::journal;
use crate::storage::store::{FILE, Store, StoreError, lock};
use crate::tokens::TokensError;
use crate::{clock, document_store, registry, tokens};

/// Where the present store is kept, in `--data`.
const BEFORE: &str = "store.redb.before-restore";

/// Where the restored one is made ready, in `--data`.
const ASIDE: &str = ".restore";

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup cannot be used.
    #[error("{} is no backup that can be restored: {source}", .file.display())]
    Backup {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: Unreadable,
    },
    /// The backup belongs to another mesh.
    #[error(
        "the backup is of the trust domain `{backup}`, and the folder of `{present}`: restore it \
         into another folder"
    )]
    TrustDomain {
        /// The trust domain of the backup.
        backup: String,
        /// The trust domain of the folder.
        present: String,
    },
    /// The folder is in use.
    #[error("{} (--data): {source}; stop the control plane first", .folder.display())]
    Taken {
        /// The folder.
        folder: PathBuf,
        /// What has it open.
        source: StoreError,
    },
    /// There is a store, and `--force` is missing.
    #[error(
        "nothing is changed: {} (--data) has a store; with --force the backup takes its place, and \
         the present one is kept beside it as {BEFORE}",
        .0.display()
    )]
    Present(PathBuf),
    /// The folder cannot be written.
    #[error("{} (--data): {source}", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The restored store cannot be written.
    #[error("the restored store is not written: {0}")]
    Written(#[from] Unreadable),
}

/// Why a store cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The file.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its roots.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// Its tokens.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// It never was the store of a mesh.
    #[error("there is no mesh in it")]
    Empty,
}

/// Puts the backup in the file `backup` into the folder `data`; `say` is given each sentence on what
/// that brings back, before anything changes. Blocks for the disk.
///
/// # Errors
/// See [`RestoreError`]; then nothing has changed.
pub fn restore(
    backup: &Path,
    data: &Path,
    force: bool,
    mut say: impl FnMut(&str),
) -> Result<(), RestoreError> {
    let failed = |source| RestoreError::Folder {
        folder: data.to_owned(),
        source,
    };
    let contents = Contents::of_file(backup);
    let contents = contents.map_err(|source| RestoreError::Backup {
        file: backup.to_owned(),
        source,
    })?;
    crate::serve::parts::make_folder(data).map_err(failed)?;
    let _locked = lock(data).map_err(|source| RestoreError::Taken {
        folder: data.to_owned(),
        source,
    })?;
    let present = data.join(FILE);
    let is_there = present.exists();
    let before = is_there.then(|| Contents::of_file(&present));
    for sentence in contents.brought_back(before.as_ref()) {
        say(&sentence);
    }
    let before = before.and_then(Result::ok);
    check_mesh(&contents, before.as_ref())?;
    if is_there && !force {
        return Err(RestoreError::Present(data.to_owned()));
    }
    let aside = data.join(ASIDE);
    prepare(backup, &aside).map_err(failed)?;
    revoke_again(&aside, contents.revoked_since(before.as_ref()))?;
    put_in_place(&aside, data).map_err(failed)
}

fn check_mesh(backup: &Contents, present: Option<&Contents>) -> Result<(), RestoreError> {
    match present {
        Some(present) if present.trust_domain != backup.trust_domain => {
            Err(RestoreError::TrustDomain {
                backup: backup.trust_domain.clone(),
                present: present.trust_domain.clone(),
            })
        }
        Some(_) | None => Ok(()),
    }
}

fn prepare(backup: &Path, aside: &Path) -> io::Result<()> {
    // An earlier attempt may have left this file.
    match fs::remove_dir_all(aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    crate::serve::parts::make_folder(aside)?;
    fs::copy(backup, aside.join(FILE)).map(drop)
}

/// Opens the copy. Opening also repairs what was copied while the store was in use.
fn revoke_again(aside: &Path, ids: Vec<&str>) -> Result<(), Unreadable> {
    let store = Store::open(aside)?;
    for id in ids {
        tokens::revoke_kept(&store, id)?;
    }
    Ok(())
}

fn put_in_place(aside: &Path, data: &Path) -> io::Result<()> {
    let (restored, present) = (aside.join(FILE), data.join(FILE));
    File::open(&restored)?.sync_all()?;
    if present.exists() {
        fs::rename(&present, data.join(BEFORE))?;
    }
    fs::rename(&restored, &present)?;
    fs::remove_dir_all(aside)?;
    File::open(data)?.sync_all()
}

/// The contents of a store that operators are shown.
struct Contents {
    trust_domain: String,
    /// SHA-256 of each, the signing one first.
    roots: Vec<String>,
    documents: u64,
    tokens: BTreeMap<String, v1::Token>,
    instances: usize,
    /// Seconds since 1970-01-01 UTC.
    last_event_unix: Option<i64>,
}

impl Contents {
    fn of_file(file: &Path) -> Result<Contents, Unreadable> {
        let store = Store::copy_of(file)?;
        let trust_domain = authority::kept_trust_domain(&store)?;
        let tokens = tokens::kept(&store)?.into_iter();
        Ok(Contents {
            trust_domain: trust_domain.ok_or(Unreadable::Empty)?,
            roots: authority::kept_root_hashes(&store, clock::unix_seconds())?,
            documents: document_store::kept_version(&store)?,
            tokens: tokens.map(|token| (token.id.clone(), token)).collect(),
            instances: registry::stored_count(&store)?,
            last_event_unix: journal::last_event_unix(&store)?,
        })
    }

    /// Sentences on what it means that this takes the place of `present`: a store that is there, and
    /// perhaps cannot be read; `None`: there is none.
    fn brought_back(&self, present: Option<&Result<Contents, Unreadable>>) -> Vec<String> {
        let mut said = vec![format!(
            "the backup is of the trust domain `{}`; its last event was {}",
            self.trust_domain,
            said_time(self.last_event_unix)
        )];
        match present {
            Some(Ok(present)) => self.compared(present, &mut said),
            Some(Err(error)) => {
                said.push(format!("the present store cannot be read: {error}"));
                self.alone(&mut said);
            }
            None => self.alone(&mut said),
        }
        said.push(format!(
            "{} instances are endpoints again, until they announce themselves or 30 s are over; \
             events and versions of after the backup are gone",
            self.instances
        ));
        said
    }

    fn compared(&self, present: &Contents, said: &mut Vec<String>) {
        let (then, now) = (self.documents, present.documents);
        said.push(match then == now {
            true => format!("documents: version {now}, as at present"),
            false => format!("documents: back from version {now} to {then}"),
        });
        let revoked = self.revoked_since(Some(present));
        if !revoked.is_empty() {
            let ids = revoked.join(", ");
            said.push(format!("tokens revoked since stay revoked: {ids}"));
        }
        let made = present.tokens.keys();
        let made = made.filter(|id| !self.tokens.contains_key(*id));
        let made: Vec<&str> = made.map(String::as_str).collect();
        if !made.is_empty() {
            let ids = made.join(", ");
            said.push(format!("tokens made since count no more: {ids}"));
        }
        if self.roots != present.roots {
            said.push(
                "the root goes back too: members with a certificate that only a later root signed \
                 are cut off, and join again with new tokens"
                    .to_owned(),
            );
        }
    }

    /// There is nothing to compare it with.
    fn alone(&self, said: &mut Vec<String>) {
        let live = self.tokens.values().filter(|token| !token.revoked).count();
        said.push(format!("documents: version {}", self.documents));
        said.push(format!(
            "tokens: {live} that are not revoked; those that were revoked after the backup are among \
             them, and those made after it are unknown: see `outrider token list`"
        ));
        said.push(
            "if the root was rotated after the backup, members with certificates of the later one \
             are cut off, and join again with new tokens"
                .to_owned(),
        );
    }

    /// Tokens that this has and `present` knows to be revoked.
    fn revoked_since(&self, present: Option<&Contents>) -> Vec<&str> {
        let is_revoked = |id: &String| {
            let now = present.and_then(|present| present.tokens.get(id));
            now.is_some_and(|token| token.revoked)
        };
        let own = self.tokens.values().filter(|token| !token.revoked);
        let revoked = own.map(|token| &token.id).filter(|id| is_revoked(id));
        revoked.map(String::as_str).collect()
    }
}

fn said_time(unix_seconds: Option<i64>) -> String {
    match unix_seconds {
        Some(then) => format!(
            "{} s ago",
            clock::unix_seconds().saturating_sub(then).max(0)
        ),
        None => "never".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(documents: u64, tokens: &[(&str, bool)]) -> Contents {
        let token = |(id, revoked): &(&str, bool)| v1::Token {
            id: (*id).to_owned(),
            revoked: *revoked,
            ..v1::Token::default()
        };
        let tokens = tokens.iter().map(token);
        Contents {
            trust_domain: "outrider.local".to_owned(),
            roots: vec!["aa".to_owned()],
            documents,
            tokens: tokens.map(|token| (token.id.clone(), token)).collect(),
            instances: 2,
            last_event_unix: None,
        }
    }

    #[test]
    fn it_says_what_comes_back() {
        let backup = contents(3, &[("a", false), ("b", false), ("c", true)]);
        let present = contents(5, &[("a", true), ("b", false), ("d", false)]);
        assert_eq!(backup.revoked_since(Some(&present)), ["a"]);
        let said = backup.brought_back(Some(&Ok(present))).join("\n");
        for part in [
            "back from version 5 to 3",
            "stay revoked: a\n",
            "count no more: d\n",
            "2 instances",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let said = backup.brought_back(None).join("\n");
        assert!(said.contains("tokens: 2 that are not revoked"), "{said}");
    }
}
