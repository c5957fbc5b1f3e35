//! What a client says of a response: taken, or refused and why.
//!
//! A NACK is recognised by its `error_detail` and by nothing else. Our own sidecars name each
//! refused resource in its details; of others we know only that the response had a bad one.

use std::collections::BTreeMap;

use outrider_proto::envoy::discovery::ResourceError;
use outrider_proto::google::Status;
use outrider_proto::unpack;

use crate::storage::journal::TEXT_BYTES_MAX;
use crate::text::clean;

/// What became of a resource at the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// No word yet.
    Pending,
    /// In force.
    Accepted,
    /// Refused, or part of a refused response of a client that does not say which resource it
    /// was; the last good version stays in force there.
    Rejected {
        /// The client's words, the first 1,024 bytes of them.
        reason: String,
    },
}

/// What a client says of a whole response.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    Ack,
    Nack {
        reason: String,
        /// Reasons by resource; empty if the client does not tell them apart.
        by_name: BTreeMap<String, String>,
    },
}

impl Verdict {
    pub fn new(error_detail: Option<Status>) -> Verdict {
        let Some(status) = error_detail else {
            return Verdict::Ack;
        };
        let errors = status.details.iter();
        let errors = errors.filter_map(|any| unpack::<ResourceError>(any).ok());
        let by_name = errors.filter_map(|error| {
            let reason = error.error_detail.unwrap_or_default().message;
            Some((error.resource_name?.name, clean(&reason, TEXT_BYTES_MAX)))
        });
        Verdict::Nack {
            by_name: by_name.collect(),
            reason: clean(&status.message, TEXT_BYTES_MAX),
        }
    }

    /// What this verdict makes of a resource of the response. Where nobody says which resource
    /// was bad, one that was good already stays so.
    pub fn of(&self, name: &str, before: &Answer) -> Answer {
        let Verdict::Nack { reason, by_name } = self else {
            return Answer::Accepted;
        };
        match by_name.get(name) {
            Some(reason) => Answer::Rejected {
                reason: reason.clone(),
            },
            None if !by_name.is_empty() || *before == Answer::Accepted => Answer::Accepted,
            None => Answer::Rejected {
                reason: reason.clone(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use outrider_proto::envoy::discovery::ResourceName;
    use outrider_proto::pack;

    use super::*;

    #[test]
    fn of_the_words_of_a_client_the_first_kilobyte_is_kept() {
        let long = Status {
            message: format!("a{}", "é".repeat(1_024)),
            ..Status::default()
        };
        let error = ResourceError {
            resource_name: Some(ResourceName {
                name: "orders".to_owned(),
                ..ResourceName::default()
            }),
            error_detail: Some(long.clone()),
        };
        let verdict = Verdict::new(Some(Status {
            details: vec![pack(&error)],
            ..long
        }));
        let kept = format!("a{}", "é".repeat(511));
        let expected = Verdict::Nack {
            reason: kept.clone(),
            by_name: BTreeMap::from([("orders".to_owned(), kept)]),
        };
        assert_eq!(verdict, expected);
    }
}
