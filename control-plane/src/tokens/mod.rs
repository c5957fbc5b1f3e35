//! Join tokens: each allows its holder a first certificate of one service, until it expires or is revoked.
//!
//! Makes, lists and revokes them, and says whether one is valid. The text form is
//! `outrider_proto::token`. Of a secret only its SHA-256 is stored: 32 random octets need no salt
//! and no slow hash.

mod error;
mod joins;
mod record;

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use outrider_proto::token::{Token, from_hex, hex};
use outrider_proto::v1;
use tokio::sync::watch;

use crate::authority::Bundle;
use crate::clock;
use crate::storage::store::{Store, StoreError};

pub use error::TokensError;
use joins::Joins;
use record::Record;

/// Default life of a token. Seconds; a day.
const LIFE_SECONDS_DEFAULT: u32 = 86_400;

/// Longest life of a token. Seconds; a year. A longer one would be forgotten before it expires.
const LIFE_SECONDS_MAX: u32 = 365 * 86_400;

/// How long a token that has expired stays in the list. Seconds; 30 days.
const KEPT_SECONDS: i64 = 30 * 86_400;

/// The tokens of the mesh, shared by all who need them.
#[derive(Clone, Debug)]
pub struct Tokens {
    store: Store,
    trust_domain: Arc<str>,
    bundle: watch::Receiver<Arc<Bundle>>,
    joins: Arc<Joins>,
}

/// A valid token, as it was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joining {
    /// Which token.
    pub id: String,
    /// Namespace of the service it was issued for.
    pub namespace: String,
    /// The service it was issued for.
    pub service: String,
}

/// Every token that `store` keeps. Blocks for the disk.
///
/// # Errors
/// The store cannot be read.
pub fn kept(store: &Store) -> Result<Vec<v1::Token>, TokensError> {
    store.read(record::all)
}

/// Ends a token that `store` keeps. Blocks for the disk.
///
/// # Errors
/// There is none with this id, or the store cannot be written.
pub fn revoke_kept(store: &Store, id: &str) -> Result<(), TokensError> {
    let key = from_hex(id).ok_or_else(|| TokensError::Missing(id.to_owned()))?;
    store.write(|write| record::revoke(write, key)).map(drop)
}

impl Tokens {
    /// The tokens stored in `store`, for a mesh whose trust bundle is `bundle`.
    pub fn open(store: &Store, trust_domain: &str, bundle: watch::Receiver<Arc<Bundle>>) -> Tokens {
        Tokens {
            store: store.clone(),
            trust_domain: trust_domain.into(),
            bundle,
            joins: Arc::default(),
        }
    }

    /// Makes a token, which is stored when this returns. An empty namespace is `default`.
    ///
    /// # Errors
    /// [`TokensError::Name`], [`TokensError::Life`]: what was asked for is out of range.
    pub async fn create(
        &self,
        request: v1::CreateTokenRequest,
        now: i64,
    ) -> Result<v1::CreateTokenResponse, TokensError> {
        let (token, record) = self.make(request, now)?;
        let (key, kept) = (token.id, record.clone());
        self.off_the_loop(move |store| store.write(|write| record::add(write, key, &kept, now)))
            .await?;
        Ok(v1::CreateTokenResponse {
            token: token.to_string(),
            details: Some(record.details(token.id)),
        })
    }

    /// Every token, oldest first; expired ones for 30 days. Joins that could not be written to the disk yet
    /// are not counted.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn list(&self) -> Result<Vec<v1::Token>, TokensError> {
        if let Err(error) = self.write_counted().await {
            tracing::debug!(%error, "tokens are listed without their last joins");
        }
        let mut tokens = self.off_the_loop(|store| store.read(record::all)).await?;
        tokens.sort_by(|a, b| (a.created_unix, &a.id).cmp(&(b.created_unix, &b.id)));
        Ok(tokens)
    }

    /// For each token, by its id: the hash of the bundle that it carries, if that was stored.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn bundles(&self) -> Result<BTreeMap<String, [u8; 32]>, TokensError> {
        self.off_the_loop(|store| store.read(record::bundles)).await
    }

    /// For each token that is valid at `now`: the hash of the bundle that it carries. `None`: an earlier
    /// version of Outrider made the token and did not store this.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn live_bundles(&self, now: i64) -> Result<Vec<Option<[u8; 32]>>, TokensError> {
        let live = move |store: &Store| store.read(|read| record::live_bundles(read, now));
        self.off_the_loop(live).await
    }

    /// Revokes a token: no sidecar joins with it once this has returned. A sidecar that has joined stays a
    /// member, because it renews with its certificate. Gives the token's service, as `namespace/service`.
    ///
    /// # Errors
    /// [`TokensError::Missing`]: there is none with this id.
    pub async fn revoke(&self, id: &str) -> Result<String, TokensError> {
        let missing = || TokensError::Missing(id.to_owned());
        let key = from_hex(id).ok_or_else(missing)?;
        let revoke = move |store: &Store| store.write(|write| record::revoke(write, key));
        let record = self.off_the_loop(revoke).await?.ok_or_else(missing)?;
        Ok(format!("{}/{}", record.namespace, record.service))
    }

    /// Parses a token's text and checks that it is valid at `now`. Cheap, because clients without a
    /// certificate call it.
    ///
    /// # Errors
    /// [`TokensError::Text`], [`TokensError::Unknown`], [`TokensError::Expired`],
    /// [`TokensError::Revoked`].
    pub async fn check(&self, text: &str, now: i64) -> Result<Token, TokensError> {
        let token: Token = text.parse()?;
        let asked = token.clone();
        let find = move |store: &Store| store.read(|read| record::find(read, asked.id));
        let record = self.off_the_loop(find).await?;
        judge(&token, record.as_ref(), now)?;
        Ok(token)
    }

    /// Counts a join with a token that [`Tokens::check`] has accepted, unless the token has expired or was
    /// revoked since, or is used too often. Waits for no write: the count is written soon after.
    ///
    /// # Errors
    /// As [`Tokens::check`]; [`TokensError::TooOften`].
    pub async fn record_join(&self, token: Token, now: i64) -> Result<Joining, TokensError> {
        let asked = token.clone();
        let find = move |store: &Store| store.read(|read| record::find(read, asked.id));
        let record = self.off_the_loop(find).await?;
        let record = judge(&token, record.as_ref(), now)?.clone();
        if !self.joins.rate.take(token.id, clock::now()) {
            return Err(TokensError::TooOften);
        }
        if self.joins.count(token.id) {
            let tokens = self.clone();
            tokio::spawn(async move { tokens.write_joins().await });
        }
        Ok(Joining {
            id: hex(&token.id),
            namespace: record.namespace,
            service: record.service,
        })
    }

    /// Writes how often tokens were used, as soon as the disk takes it.
    async fn write_joins(&self) {
        while let Err(error) = self.write_counted().await {
            if !matches!(error, TokensError::Store(StoreError::Unwritable(_))) {
                tracing::warn!(%error, "the joins of tokens are not written down yet");
                return;
            }
            self.store.writable().await;
        }
    }

    /// The same now, or not at all.
    async fn write_counted(&self) -> Result<(), TokensError> {
        let _one_at_a_time = self.joins.writing.lock().await;
        loop {
            let counted = self.joins.unwritten();
            if counted.is_empty() {
                return Ok(());
            }
            let adding = counted.clone();
            let add = move |store: &Store| store.write(|write| record::add_joins(write, &adding));
            self.off_the_loop(add).await?;
            self.joins.subtract(&counted);
        }
    }

    fn make(
        &self,
        request: v1::CreateTokenRequest,
        now: i64,
    ) -> Result<(Token, Record), TokensError> {
        let v1::CreateTokenRequest {
            namespace,
            service,
            life_seconds,
        } = request;
        let namespace = if namespace.is_empty() {
            "default".to_owned()
        } else {
            namespace
        };
        let mut token = Token {
            namespace: label("namespace", namespace)?,
            service: label("service", service)?,
            id: [0; 8],
            secret: [0; 32],
            bundle_sha256: self.bundle.borrow().sha256(),
            trust_domain: self.trust_domain.as_ref().to_owned(),
        };
        for octets in [&mut token.id[..], &mut token.secret] {
            aws_lc_rs::rand::fill(octets).map_err(|_| TokensError::NoRandomness)?;
        }
        let record = Record {
            namespace: token.namespace.clone(),
            service: token.service.clone(),
            secret_sha256: secret_sha256(&token),
            created_unix: now,
            expires_unix: now + i64::from(life_seconds_of(life_seconds)?),
            revoked: false,
            joins: 0,
            bundle_sha256: Some(token.bundle_sha256),
        };
        Ok((token, record))
    }

    /// The store blocks for the disk, so it is used on a thread for blocking work.
    async fn off_the_loop<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, TokensError> + Send + 'static,
    ) -> Result<T, TokensError> {
        let store = self.store.clone();
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        done.unwrap_or(Err(TokensError::Interrupted))
    }
}

/// Is `token` valid at `now`, given what is stored of it? A client that does not know the secret learns
/// nothing but "unknown".
fn judge<'a>(
    token: &Token,
    record: Option<&'a Record>,
    now: i64,
) -> Result<&'a Record, TokensError> {
    let record = record.ok_or(TokensError::Unknown)?;
    let secret = verify_slices_are_equal(&secret_sha256(token), &record.secret_sha256);
    // The issuer wrote both: a text that was edited is not its token.
    let is_as_issued = record.namespace == token.namespace && record.service == token.service;
    if secret.is_err() || !is_as_issued {
        return Err(TokensError::Unknown);
    }
    if record.revoked {
        return Err(TokensError::Revoked);
    }
    if record.expires_unix <= now {
        return Err(TokensError::Expired(now - record.expires_unix));
    }
    Ok(record)
}

fn secret_sha256(token: &Token) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, &token.secret).as_ref());
    hash
}

fn life_seconds_of(asked: u32) -> Result<u32, TokensError> {
    match asked {
        0 => Ok(LIFE_SECONDS_DEFAULT),
        1..=LIFE_SECONDS_MAX => Ok(asked),
        _ => Err(TokensError::Life(asked)),
    }
}

/// RFC 1123 2.1, in lower case.
fn label(what: &'static str, name: String) -> Result<String, TokensError> {
    if outrider_proto::token::is_label(&name) {
        Ok(name)
    } else {
        Err(TokensError::Name { what, name })
    }
}

#[cfg(test)]
mod tests;
