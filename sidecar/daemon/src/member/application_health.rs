//! Does the application take calls, and if not, why: as a value, and in one sentence.
//!
//! The sentence is for people: it stands in the log, at `/readyz?verbose` and, by the announcement,
//! in the control plane's status. Knows nothing of how it was found out ([`super::health_check`]).

use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;

use tonic::Code;

/// What is believed of the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplicationHealth {
    /// It was not asked yet, or could not be.
    Unknown,
    /// It takes calls.
    Serving,
    /// It takes none.
    Absent(Absence),
}

/// Why an application takes no calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absence {
    /// Its machine answers that no process listens there.
    NotListening,
    /// There is no way to it; what the system said.
    Unreachable(String),
    /// No connection, or no frame of HTTP/2, within [`super::health_check::TIMEOUT`].
    Silent,
    /// It closes connections without a word.
    Closed,
    /// It speaks TLS, and is called in plaintext.
    Tls,
    /// It speaks neither: the first line of what it said, escaped.
    Foreign(String),
    /// Its health service says this of the whole server.
    NotServing(&'static str),
    /// Its health service answers with an error.
    Failed(Code, String),
}

impl ApplicationHealth {
    /// Does it take calls?
    pub fn is_serving(&self) -> bool {
        matches!(self, ApplicationHealth::Serving)
    }

    /// Why the application at that address takes no calls; `None` while it does, and before it was
    /// asked.
    pub fn problem(&self, application: SocketAddr) -> Option<String> {
        match self {
            ApplicationHealth::Unknown | ApplicationHealth::Serving => None,
            ApplicationHealth::Absent(absence) => {
                Some(format!("the application at {application} {absence}"))
            }
        }
    }

    /// Is it worth a word that this is believed after `before`? Another text of the same error, or of
    /// the same stranger, is not: it could be another one each time.
    pub fn is_news(&self, before: &ApplicationHealth) -> bool {
        match (self, before) {
            (
                ApplicationHealth::Absent(Absence::NotServing(now)),
                ApplicationHealth::Absent(Absence::NotServing(before)),
            ) => now != before,
            (
                ApplicationHealth::Absent(Absence::Failed(now, _)),
                ApplicationHealth::Absent(Absence::Failed(before, _)),
            ) => now != before,
            (now, before) => now.word() != before.word(),
        }
    }

    /// The same in one word, for logs.
    pub fn word(&self) -> &'static str {
        let absence = match self {
            ApplicationHealth::Unknown => return "unknown",
            ApplicationHealth::Serving => return "serving",
            ApplicationHealth::Absent(absence) => absence,
        };
        match absence {
            Absence::NotListening => "not_listening",
            Absence::Unreachable(_) => "unreachable",
            Absence::Silent => "silent",
            Absence::Closed => "closed",
            Absence::Tls => "tls",
            Absence::Foreign(_) => "not_http2",
            Absence::NotServing(_) => "not_serving",
            Absence::Failed(..) => "health_failed",
        }
    }
}

/// What comes after "the application at 127.0.0.1:50051".
impl Display for Absence {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Absence::NotListening => f.write_str("is not there: no process listens"),
            Absence::Unreachable(problem) => write!(f, "cannot be connected to: {problem}"),
            Absence::Silent => f.write_str("does not answer within 1 s"),
            Absence::Closed => f.write_str(
                "closes connections without a word of HTTP/2; does another program have the port?",
            ),
            Absence::Tls => f.write_str("speaks TLS; its sidecar calls it in plaintext HTTP/2"),
            Absence::Foreign(line) => write!(
                f,
                "does not speak plaintext HTTP/2, but says `{line}`; does another program have the port?"
            ),
            Absence::NotServing(status) => write!(
                f,
                "says {status} at grpc.health.v1.Health for the service \"\", the whole server"
            ),
            Absence::Failed(code, message) => write!(
                f,
                "fails at grpc.health.v1.Health for the service \"\": {code:?} {message}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absence_says_whose_it_is_and_what_to_look_at() {
        let cases = [
            (Absence::NotListening, "is not there: no process listens"),
            (
                Absence::NotServing("NOT_SERVING"),
                "says NOT_SERVING at grpc.health.v1.Health for the service \"\", the whole server",
            ),
            (
                Absence::Failed(Code::Unavailable, "not yet".to_owned()),
                "fails at grpc.health.v1.Health for the service \"\": Unavailable not yet",
            ),
        ];
        let address = SocketAddr::from(([127, 0, 0, 1], 7));
        for (absence, expected) in cases {
            let problem = ApplicationHealth::Absent(absence).problem(address);
            let expected = format!("the application at 127.0.0.1:7 {expected}");
            assert_eq!(problem, Some(expected));
        }
        assert_eq!(ApplicationHealth::Serving.problem(address), None);
    }

    #[test]
    fn another_text_of_the_same_error_is_no_news() {
        let failed = |code, text: &str| Absence::Failed(code, text.to_owned());
        let foreign = |line: &str| Absence::Foreign(line.to_owned());
        let cases = [
            (foreign("request 1"), foreign("request 2"), false),
            (foreign("HTTP/1.1 400"), Absence::Tls, true),
            (
                failed(Code::Internal, "1"),
                failed(Code::Internal, "2"),
                false,
            ),
            (
                failed(Code::Internal, "1"),
                failed(Code::Unavailable, "1"),
                true,
            ),
            (
                Absence::NotServing("UNKNOWN"),
                Absence::NotServing("NOT_SERVING"),
                true,
            ),
        ];
        for (before, now, expected) in cases {
            let (before, now) = (
                ApplicationHealth::Absent(before),
                ApplicationHealth::Absent(now),
            );
            assert_eq!(now.is_news(&before), expected, "{before:?}, {now:?}");
        }
        assert!(ApplicationHealth::Serving.is_news(&ApplicationHealth::Unknown));
    }
}
