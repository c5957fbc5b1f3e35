//! Describes a failed gRPC call in one sentence, for logs and the admin pages.

use std::error::Error;

use outrider_causes::{CertificateDates, describe_cause};
use tonic::Status;

/// As [`describe`], for the control plane and with the status code.
pub fn describe_answer(status: &Status) -> String {
    let words = describe(status, None);
    match status.source() {
        Some(_) => format!("the control plane gave no answer: {words}"),
        None => format!("the control plane answered {:?}: {words}", status.code()),
    }
}

/// Why a call was not answered as asked: what the server says, or what became of the
/// connection. `own` are the dates of the certificate that we showed.
pub fn describe(status: &Status, own: Option<CertificateDates>) -> String {
    match status.source() {
        // What has a cause was made here, of a connection or a stream that broke.
        Some(source) => describe_cause(source, own),
        None => status.message().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Error, ErrorKind};

    #[test]
    fn a_status_is_said_by_its_message_or_its_cause() {
        let text = describe(&Status::unauthenticated("the token is unknown"), None);
        assert_eq!(text, "the token is unknown");
        let broken = Status::from_error(Box::new(Error::from(ErrorKind::ConnectionReset)));
        let text = describe(&broken, None);
        assert!(
            text.starts_with("the other end closed the connection"),
            "{text}"
        );
    }
}
