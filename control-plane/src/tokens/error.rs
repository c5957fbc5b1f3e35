//! Why a token was not made, not found, or does not count.

use outrider_proto::token::TokenError;
use tonic::Status;

use crate::storage::store::StoreError;

/// Why a token was not made, not found, or does not count.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// A name that no service can have.
    #[error("{what} {name:?} is no DNS label: a-z, 0-9 and -, at most 63")]
    Name {
        /// Namespace or service.
        what: &'static str,
        /// What was asked for.
        name: String,
    },
    /// A life out of range. Seconds.
    #[error("a life of {0} s is too long: 1 to 31536000")]
    Life(u32),
    /// There is no token with this id.
    #[error("there is no token `{0}`: see `outrider token list`")]
    Missing(String),
    /// The text is no token.
    #[error(transparent)]
    Text(#[from] TokenError),
    /// No token has this id and this secret.
    #[error("no token of this control plane is like this one")]
    Unknown,
    /// Its time is over, for so many seconds.
    #[error("the token expired {0} s ago: make a new one with `outrider token create`")]
    Expired(i64),
    /// An operator has ended it.
    #[error("the token has been revoked: make a new one with `outrider token create`")]
    Revoked,
    /// It has been used too often just now.
    #[error("too many join with this token at once: at most 50 a second, try again")]
    TooOften,
    /// The system gives no random octets.
    #[error("the system gives no random octets")]
    NoRandomness,
    /// What was kept cannot be read.
    #[error("a token in the store cannot be read: {0}")]
    Damaged(serde_json::Error),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The process ended, or a thread panicked, in the middle of it.
    #[error("it was interrupted")]
    Interrupted,
}

impl From<redb::Error> for TokensError {
    fn from(error: redb::Error) -> TokensError {
        TokensError::Store(error.into())
    }
}

impl From<TokensError> for Status {
    fn from(error: TokensError) -> Status {
        let text = error.to_string();
        match error {
            TokensError::Name { .. } | TokensError::Life(_) => Status::invalid_argument(text),
            TokensError::Missing(_) => Status::not_found(text),
            TokensError::Text(_)
            | TokensError::Unknown
            | TokensError::Expired(_)
            | TokensError::Revoked => Status::unauthenticated(text),
            TokensError::Interrupted => Status::unavailable(text),
            TokensError::TooOften => Status::resource_exhausted(text),
            TokensError::Store(error) => error.into(),
            TokensError::NoRandomness | TokensError::Damaged(_) => Status::internal(text),
        }
    }
}
