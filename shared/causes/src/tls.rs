//! Errors of rustls.
//!
//! A sentence about a certificate's dates names both times, because either a clock is wrong or the
//! certificate was not renewed. Why the peer rejects our certificate, it says in an alert of one word
//! (RFC 8446 6.2).

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error};

use super::dates::{CertificateDates, rfc3339};

/// A TLS error as a sentence about the peer. `own` are the dates of the certificate that we
/// presented.
pub fn describe_tls(error: &Error, own: Option<CertificateDates>) -> String {
    let sentence = match error {
        Error::InvalidCertificate(error) => return certificate(error),
        Error::AlertReceived(alert) => return alerted(*alert, own),
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => {
            "it does not speak TLS: another program has the port, or the port is a plaintext one"
        }
        Error::NoCertificatesPresented => "it showed no certificate",
        Error::PeerIncompatible(_) => {
            "it and we have no version or cipher of TLS in common: TLS 1.3 is spoken here"
        }
        Error::NoApplicationProtocol => "it does not speak HTTP/2 (ALPN h2)",
        Error::InconsistentKeys(_) => "the private key does not fit the certificate",
        Error::DecryptError | Error::PeerSentOversizedRecord => {
            "its octets cannot be decrypted: something between the two ends changes them"
        }
        Error::PeerMisbehaved(_) => {
            "it breaks the rules of TLS: it may be a damaged or hostile peer"
        }
        Error::General(words) => return words.clone(),
        other => return format!("TLS failed: {other}"),
    };
    sentence.to_owned()
}

/// Why we reject the peer's certificate.
fn certificate(error: &CertificateError) -> String {
    let sentence = match error {
        CertificateError::ExpiredContext { time, not_after } => {
            return format!(
                "its certificate ended at {} and our clock says {}: it was not renewed, or one of \
                 the two clocks is wrong",
                moment(*not_after),
                moment(*time),
            );
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            return format!(
                "its certificate begins at {} and our clock says {}: one of the two clocks is wrong",
                moment(*not_before),
                moment(*time),
            );
        }
        CertificateError::Expired => {
            "its certificate has ended: it was not renewed, or one of the two clocks is wrong"
        }
        CertificateError::NotValidYet => {
            "its certificate is not valid yet: one of the two clocks is wrong"
        }
        CertificateError::UnknownIssuer => {
            "its certificate is signed by no root that we believe: it is of another mesh, or from \
             the other side of a rollover of the root"
        }
        CertificateError::BadEncoding => "its certificate cannot be read",
        CertificateError::BadSignature => {
            "its certificate or handshake is not signed by the key that it names"
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is not for this end of a connection"
        }
        CertificateError::Revoked => "its certificate has been revoked",
        CertificateError::Other(other) => return other.to_string(),
        other => return format!("its certificate cannot be believed: {other}"),
    };
    sentence.to_owned()
}

/// Why the peer rejects our certificate.
fn alerted(alert: AlertDescription, own: Option<CertificateDates>) -> String {
    let sentence = match alert {
        AlertDescription::CertificateExpired => return not_valid_there(own),
        AlertDescription::UnknownCA => {
            "it does not believe our certificate: we are of another mesh, or from the other side of \
             a rollover of the root"
        }
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied => {
            "it does not accept our certificate: its own log says why"
        }
        AlertDescription::CertificateRevoked => "it says that our certificate has been revoked",
        AlertDescription::CertificateRequired => "it wants a certificate, and we have shown none",
        AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure => {
            "it and we have no version or cipher of TLS in common"
        }
        AlertDescription::NoApplicationProtocol => "it does not speak HTTP/2 (ALPN h2)",
        other => return format!("it ended TLS with the alert {other:?}"),
    };
    sentence.to_owned()
}

fn not_valid_there(own: Option<CertificateDates>) -> String {
    let Some(own) = own else {
        return "it says that our certificate is not valid now: one of the two clocks is wrong, or \
                it was not renewed"
            .to_owned();
    };
    format!(
        "it says that our certificate is not valid now: it is {own}: one of the two clocks is wrong, or \
         it was not renewed"
    )
}

fn moment(time: UnixTime) -> String {
    rfc3339(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn dates_name_both_times_and_the_clock() {
        let expired = CertificateError::ExpiredContext {
            time: at(1_795_269_600),
            not_after: at(1_795_269_599),
        };
        let early = CertificateError::NotValidYetContext {
            time: at(0),
            not_before: at(1_795_269_600),
        };
        let own = CertificateDates {
            not_before: 0,
            not_after: 60,
            now: 61,
        };
        let cases = [
            (
                describe_tls(&Error::InvalidCertificate(expired), None),
                ["2026-11-21T13:59:59Z", "2026-11-21T14:00:00Z"],
            ),
            (
                describe_tls(&Error::InvalidCertificate(early), None),
                ["2026-11-21T14:00:00Z", "1970-01-01T00:00:00Z"],
            ),
            (
                describe_tls(
                    &Error::AlertReceived(AlertDescription::CertificateExpired),
                    Some(own),
                ),
                ["1970-01-01T00:01:00Z", "1970-01-01T00:01:01Z"],
            ),
        ];
        for (said, times) in cases {
            assert!(said.contains("clock"), "{said}");
            for time in times {
                assert!(said.contains(time), "{time} is missing: {said}");
            }
        }
    }

    #[test]
    fn no_wording_of_the_library_is_left() {
        use rustls::{InvalidMessage, PeerIncompatible, PeerMisbehaved};
        let errors = [
            Error::InvalidMessage(InvalidMessage::InvalidContentType),
            Error::InvalidCertificate(CertificateError::UnknownIssuer),
            Error::InvalidCertificate(CertificateError::InvalidPurpose),
            Error::AlertReceived(AlertDescription::UnknownCA),
            Error::AlertReceived(AlertDescription::CertificateRequired),
            Error::AlertReceived(AlertDescription::BadCertificate),
            Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered),
            Error::PeerMisbehaved(PeerMisbehaved::TooManyEmptyFragments),
            Error::NoCertificatesPresented,
            Error::NoApplicationProtocol,
            Error::DecryptError,
        ];
        for error in errors {
            let said = describe_tls(&error, None);
            let foreign = [
                "invalid peer certificate",
                "alert:",
                "InvalidContentType",
                "received",
            ];
            let raw = foreign.iter().find(|word| said.contains(*word));
            assert_eq!(raw, None, "{said}");
        }
    }
}
