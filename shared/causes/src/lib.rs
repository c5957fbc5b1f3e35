//! Errors of libraries, as sentences that say the likely cause.
//!
//! A library says what it was doing ("transport error"), not what an operator should look at. Here
//! a chain of such errors becomes one sentence: [`cause`] finds the error that tells most, [`tls`]
//! and [`io`] say it in words, [`explained`] puts our own words before it. Decides nothing: who reads the sentence decides. Time is an argument.

mod dates;
mod io;
mod tls;

use std::error::Error;

pub use dates::{Dates, shown};
pub use io::io;
pub use tls::tls;

/// The sentence for an error and its causes. `own` are the dates of the certificate that we showed,
/// for what the other end says of it.
pub fn cause(error: &(dyn Error + 'static), own: Option<Dates>) -> String {
    let mut found = None;
    let mut last = error;
    let mut next = Some(error);
    while let Some(error) = next {
        last = error;
        if let Some(rustls) = rustls_error(error) {
            return tls(rustls, own);
        }
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            found = Some(io(error));
        }
        next = error.source();
    }
    found.unwrap_or_else(|| last.to_string())
}

/// As [`cause`], behind what `error` itself says, which is one of ours: "the token's file cannot be
/// read: Permission denied".
pub fn explained(error: &(dyn Error + 'static), own: Option<Dates>) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", cause(source, own)),
        None => cause(error, own),
    }
}

/// Is it that one end does not believe the other's certificate? With TLS 1.3 a server says so after the
/// handshake, so that it may be found in the failure of a call.
pub fn is_disbelief(error: &(dyn Error + 'static)) -> bool {
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

/// The error of rustls that this is, or that an `io::Error` hides.
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

    /// What a library wraps around an error.
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
    fn the_error_that_tells_most_is_said() {
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
            assert_eq!(cause(&Wrapped(error), None), expected);
        }
    }
}
