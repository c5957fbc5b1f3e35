//! What went wrong with a server of ours, in words.

use std::error::Error;

use outrider_causes::{CertificateDates, describe_cause};
use tonic::Status;

/// As [`refused`], of the control plane and with the status that it answered.
pub fn answered(status: &Status) -> String {
    let words = refused(status, None);
    match status.source() {
        Some(_) => format!("the control plane gave no answer: {words}"),
        None => format!("the control plane answered {:?}: {words}", status.code()),
    }
}

/// Why a call was not answered as asked: what the server says, or what became of the
/// connection. `own` are the dates of the certificate that we showed.
pub fn refused(status: &Status, own: Option<CertificateDates>) -> String {
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
        let said = refused(&Status::unauthenticated("the token is unknown"), None);
        assert_eq!(said, "the token is unknown");
        let broken = Status::from_error(Box::new(Error::from(ErrorKind::ConnectionReset)));
        let said = refused(&broken, None);
        assert!(
            said.starts_with("the other end closed the connection"),
            "{said}"
        );
    }
}
