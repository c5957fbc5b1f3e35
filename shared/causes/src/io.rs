//! Errors of the operating system.

use std::io::{Error, ErrorKind};

/// An error of a socket or a file as a sentence.
pub fn describe_io(error: &Error) -> String {
    let sentence = match error.kind() {
        ErrorKind::ConnectionRefused => {
            "nothing listens there: is it running, and are host and port right?"
        }
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            "the other end closed the connection: it may have stopped"
        }
        // Also tokio-rustls's error when a peer leaves in the middle of a handshake.
        ErrorKind::UnexpectedEof => {
            "the other end closed the connection without a word: it may have stopped, or refuse us"
        }
        ErrorKind::TimedOut => "the other end does not answer any more",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            "there is no way to that host: check the address and the network"
        }
        _ => return plain(error),
    };
    sentence.to_owned()
}

/// The system's own sentence, without the error number behind it.
fn plain(error: &Error) -> String {
    let text = error.to_string();
    let number = error
        .raw_os_error()
        .map(|number| format!(" (os error {number})"));
    let without = number.and_then(|number| text.strip_suffix(&number).map(str::to_owned));
    without.unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_system_is_a_sentence() {
        let cases = [
            (ErrorKind::ConnectionRefused, "nothing listens there"),
            (
                ErrorKind::ConnectionReset,
                "the other end closed the connection: ",
            ),
            (
                ErrorKind::BrokenPipe,
                "the other end closed the connection: ",
            ),
            (
                ErrorKind::UnexpectedEof,
                "the other end closed the connection without",
            ),
            (ErrorKind::TimedOut, "the other end does not answer"),
            (ErrorKind::HostUnreachable, "there is no way to that host"),
        ];
        for (kind, expected) in cases {
            let said = describe_io(&Error::from(kind));
            assert!(said.starts_with(expected), "{said}");
        }
        assert_eq!(
            describe_io(&Error::from_raw_os_error(28)),
            "No space left on device"
        );
        assert_eq!(describe_io(&Error::other("our own words")), "our own words");
    }
}
