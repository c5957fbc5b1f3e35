//! Errors of libraries, as sentences that say the likely cause.
//!
//! A library's error says what it was doing ("transport error"), not what an operator should check.
//! This crate turns a chain of errors into one sentence: [`describe_cause`] finds the error that tells
//! most, [`describe_tls`] and [`describe_io`] put it into words, [`describe`] adds our own error before
//! it. It decides nothing. Time is an argument.

mod dates;
mod io;
mod tls;

use std::error::Error;

pub use dates::{CertificateDates, rfc3339};
pub use io::describe_io;
pub use tls::describe_tls;

/// Describes the cause of `error`. `own` are the dates of the certificate that we presented, in case
/// the peer rejected it.
pub fn describe_cause(error: &(dyn Error + 'static), own: Option<CertificateDates>) -> String {
    let mut found = None;
    let mut last = error;
    let mut next = Some(error);
    while let Some(error) = next {
        last = error;
        if let Some(rustls) = rustls_error(error) {
            return describe_tls(rustls, own);
        }
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            found = Some(describe_io(error));
        }
        next = error.source();
    }
    found.unwrap_or_else(|| last.to_string())
}

/// `error`, which is one of ours, followed by its cause: "the token's file cannot be read: Permission
/// denied".
pub fn describe(error: &(dyn Error + 'static), own: Option<CertificateDates>) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", describe_cause(source, own)),
        None => describe_cause(error, own),
    }
}

/// Whether one end rejected the other's certificate. With TLS 1.3 a server says so after the
/// handshake, so a failed call may carry it too.
pub fn is_certificate_rejection(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let tls = rustls_error(error);
        if let Some(rustls::Error::AlertReceived(_) | rustls::Error::InvalidCertificate(_)) = tls {
            return true;
        }
        next = error.source();
    }
    false
}

/// `error` as a rustls error, also from inside an `io::Error`.
fn rustls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let inside = || {
        let error = error.downcast_ref::<std::io::Error>()?;
        error.get_ref()?.downcast_ref()
    };
    error.downcast_ref().or_else(inside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;

    /// A library's error around another one.
    #[derive(Debug)]
    struct Wrapped(std::io::Error);

    impl fmt::Display for Wrapped {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("transport error")
        }
    }

    impl Error for Wrapped {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn the_error_that_tells_most_is_described() {
        use std::io::{Error, ErrorKind};
        let no_tls = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        let cases = [
            (
                Error::new(ErrorKind::InvalidData, no_tls),
                "it does not speak TLS: another program has the port, or the port is a plaintext one",
            ),
            (
                Error::from(ErrorKind::ConnectionRefused),
                "nothing listens there: is it running, and are host and port right?",
            ),
        ];
        for (error, expected) in cases {
            assert_eq!(describe_cause(&Wrapped(error), None), expected);
        }
    }
}
