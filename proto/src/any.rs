//! `google.protobuf.Any`, in and out. Nobody else looks inside one.

use crate::google::Any;
use prost::{Message, Name};

/// Why an `Any` is not the message that was expected in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnpackError {
    /// It says that it is another message.
    WrongType {
        /// The type URL that was expected.
        expected: String,
        /// The type URL it carries.
        found: String,
    },
    /// Its bytes are not such a message.
    Malformed {
        /// The type URL it carries.
        type_url: String,
    },
}

impl std::fmt::Display for UnpackError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            UnpackError::WrongType { expected, found } => {
                write!(f, "expected {expected}, found {found}")
            }
            UnpackError::Malformed { type_url } => write!(f, "the bytes are no {type_url}"),
        }
    }
}

impl std::error::Error for UnpackError {}

/// Wraps a message together with its type URL.
pub fn pack<M: Message + Name>(message: &M) -> Any {
    Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
}

/// Unwraps a message.
///
/// # Errors
/// Another type URL, or bytes that are not the message. Fields that this build
/// does not know are dropped by prost: see `required_features` of our messages.
pub fn unpack<M: Message + Name + Default>(any: &Any) -> Result<M, UnpackError> {
    if any.type_url != M::type_url() {
        return Err(UnpackError::WrongType {
            expected: M::type_url(),
            found: any.type_url.clone(),
        });
    }
    M::decode(any.value.as_slice()).map_err(|_| UnpackError::Malformed {
        type_url: any.type_url.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{Breaker, RoutePolicy};

    #[test]
    fn a_packed_message_comes_out_as_it_went_in() {
        let policy = RoutePolicy {
            unary: true,
            ..RoutePolicy::default()
        };
        assert_eq!(unpack(&pack(&policy)), Ok(policy));
    }

    #[test]
    fn another_type_is_refused_by_both_names() {
        let error = unpack::<Breaker>(&pack(&RoutePolicy::default())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected type.googleapis.com/outrider.v1.Breaker, \
             found type.googleapis.com/outrider.v1.RoutePolicy"
        );
    }

    #[test]
    fn noise_is_refused() {
        let any = Any {
            type_url: RoutePolicy::type_url(),
            value: vec![0xff; 3],
        };
        assert!(matches!(
            unpack::<RoutePolicy>(&any),
            Err(UnpackError::Malformed { .. })
        ));
    }
}
