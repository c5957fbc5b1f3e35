//! The dates of a certificate, and the time they are compared with.

use std::fmt;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The validity of our own certificate, and the time by our clock. Seconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateDates {
    /// First second in which it is valid.
    pub not_before: i64,
    /// Last second in which it is valid.
    pub not_after: i64,
    /// Now.
    pub now: i64,
}

/// "valid from 2026-11-01T00:00:00Z to 2026-11-02T00:00:00Z and our clock says 2026-11-03T00:00:00Z".
impl fmt::Display for CertificateDates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, to, now] = [self.not_before, self.not_after, self.now].map(rfc3339);
        write!(f, "valid from {from} to {to} and our clock says {now}")
    }
}

impl CertificateDates {
    /// Is the certificate valid by our clock?
    pub fn is_valid_now(&self) -> bool {
        (self.not_before..=self.not_after).contains(&self.now)
    }

    /// The dates of a certificate in DER; `None` if it does not parse.
    pub fn of(certificate: &[u8], now: i64) -> Option<CertificateDates> {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
        let validity = parsed.validity();
        Some(CertificateDates {
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
            now,
        })
    }
}

/// Seconds since 1970-01-01 UTC as `2026-11-21T14:00:00Z`.
pub fn rfc3339(unix_seconds: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(unix_seconds).ok();
    let shown = time.and_then(|time| time.format(&Rfc3339).ok());
    shown.unwrap_or_else(|| format!("{unix_seconds} s after 1970"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dates_of_a_certificate_are_read() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2026, 11, 1);
        params.not_after = rcgen::date_time_ymd(2026, 11, 2);
        let certificate = params.self_signed(&key).expect("a certificate");
        let dates = CertificateDates::of(certificate.der(), 7).expect("readable");
        assert_eq!(rfc3339(dates.not_before), "2026-11-01T00:00:00Z");
        assert_eq!(rfc3339(dates.not_after), "2026-11-02T00:00:00Z");
        assert_eq!(CertificateDates::of(b"none", 7), None);
    }
}
