//! A refusal of the document store as a gRPC status.
//!
//! Its message travels in a trailer, percent-encoded, and clients limit the size of trailers. So it lists
//! as many problems as fit, and says how many more there are.

use outrider_documents::DocumentError;
use tonic::Status;

use crate::document_store::{DocumentStoreError, Refusal};

/// Longest text of all problems together. Bytes; 4,096, at most three times as many on the wire;
/// hyper's client takes 16 KiB of trailers.
const TEXT_BYTES_MAX: usize = 4_096;

/// The status of a refused change.
pub fn refusal_status(error: DocumentStoreError) -> Status {
    match error {
        DocumentStoreError::Refused(Refusal::Documents(errors)) => {
            Status::invalid_argument(listed(&errors))
        }
        DocumentStoreError::Refused(
            refusal @ (Refusal::TrustDomain { .. }
            | Refusal::InFolder { .. }
            | Refusal::EmptyFile { .. }
            | Refusal::InUse { .. }
            | Refusal::OtherVersion { .. }
            | Refusal::UsedId { .. }
            | Refusal::NothingStays
            | Refusal::Folder { .. }),
        ) => Status::failed_precondition(cut(&refusal.to_string())),
        DocumentStoreError::Refused(refusal @ Refusal::LongId) => {
            Status::invalid_argument(refusal.to_string())
        }
        DocumentStoreError::Refused(refusal @ (Refusal::NoDocument(_) | Refusal::NoVersion(_))) => {
            Status::not_found(cut(&refusal.to_string()))
        }
        DocumentStoreError::Store(error) => error.into(),
        error @ DocumentStoreError::Ended(_) => Status::unavailable(error.to_string()),
    }
}

fn listed(errors: &[DocumentError]) -> String {
    let mut text = String::new();
    for (index, error) in errors.iter().enumerate() {
        let error = error.to_string();
        if index > 0 && text.len() + error.len() > TEXT_BYTES_MAX {
            let rest = errors.len() - index;
            return format!("{text}\nerror: and {rest} more");
        }
        let between = if index == 0 { "" } else { "\n" };
        text = format!("{text}{between}{}", cut(&error));
    }
    text
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(count: usize, message: &str) -> Vec<DocumentError> {
        let error = DocumentError {
            file: "f.yaml".to_owned(),
            line: 1,
            column: 1,
            message: message.to_owned(),
            snippet: "a".to_owned(),
        };
        vec![error; count]
    }

    #[test]
    fn tells_every_problem_that_fits_and_counts_the_rest() {
        assert_eq!(listed(&errors(2, "no")).matches("f.yaml:1:1").count(), 2);
        let text = listed(&errors(1_000, "no"));
        let told = text.matches("f.yaml:1:1").count();
        assert!(told > 50, "{told}");
        assert!(text.ends_with(&format!("\nerror: and {} more", 1_000 - told)));
        assert!(text.len() < TEXT_BYTES_MAX + 30);
        let long = listed(&errors(1, &"x".repeat(10_000)));
        assert_eq!(long.len(), TEXT_BYTES_MAX);
    }
}
