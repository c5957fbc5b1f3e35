//! One root: its key, its certificate, and what it signs.
//!
//! Decides the form and the dates of certificates. Does not know which names may have one, nor which root
//! signs at present (`rollover`). Keys are EC P-256.
//! Reference: SPIFFE X.509-SVID 4, RFC 5280 4.1 and 4.2.

use std::fmt;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::error::AuthorityError;
use crate::members::MemberId;

/// Life of a root: ten years. Without a rollover before its end the mesh ends with it.
const ROOT_LIFE: Duration = Duration::from_secs(10 * 365 * 86_400);

/// How much earlier than now a certificate begins at most, for clocks that differ. Seconds. One with a
/// shorter life begins earlier by its life.
const BACK_DATED_SECONDS_MAX: i64 = 300;

/// From when to when. Seconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First moment.
    pub not_before: i64,
    /// Last moment.
    pub not_after: i64,
}

impl Validity {
    /// `life` from `now` on, begun a little earlier; never beyond `end`.
    pub fn of(life: Duration, now: i64, end: i64) -> Validity {
        let life = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
        Validity {
            not_before: now - life.min(BACK_DATED_SECONDS_MAX),
            not_after: now.saturating_add(life).min(end),
        }
    }
}

/// A root with its key. Never printed.
pub struct Root {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    /// Its common name, the whole of its subject.
    name: String,
    not_after: i64,
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root")
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

impl Root {
    /// A new root of `trust_domain`.
    ///
    /// # Errors
    /// [`AuthorityError::Signing`]: the system gives no randomness.
    pub fn generate(trust_domain: &str, now: i64) -> Result<Root, AuthorityError> {
        let key = KeyPair::generate()?;
        let params = root_params(trust_domain, now)?;
        let certificate = params.self_signed(&key)?;
        Root::load(certificate.der(), &key.serialize_der())
    }

    /// A root from the store: certificate and PKCS#8 key, DER.
    ///
    /// # Errors
    /// [`AuthorityError::Damaged`] or [`AuthorityError::Signing`]: it cannot be read.
    pub fn load(certificate: &[u8], key: &[u8]) -> Result<Root, AuthorityError> {
        let damaged = || AuthorityError::Damaged("a root certificate");
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| damaged())?;
        let name = parsed.subject().iter_common_name().next();
        let name = name
            .and_then(|name| name.as_str().ok())
            .ok_or_else(damaged)?;
        let name = name.to_owned();
        let not_after = parsed.validity().not_after.timestamp();
        let certificate = CertificateDer::from(certificate.to_vec());
        let issuer = Issuer::from_ca_cert_der(&certificate, KeyPair::try_from(key)?)?;
        Ok(Root {
            certificate,
            issuer,
            name,
            not_after,
        })
    }

    /// The certificate, DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The key, PKCS#8 DER.
    pub fn key(&self) -> &[u8] {
        self.issuer.key().serialized_der()
    }

    /// Its common name; no two roots have the same.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it ends. Seconds since 1970-01-01 UTC.
    pub fn not_after(&self) -> i64 {
        self.not_after
    }

    /// A leaf for `key` that names exactly `uri`; its serial number belongs to `member`.
    ///
    /// # Errors
    /// [`AuthorityError::Signing`].
    pub fn issue(
        &self,
        uri: &str,
        member: MemberId,
        key: &impl PublicKeyData,
        validity: Validity,
    ) -> Result<CertificateDer<'static>, AuthorityError> {
        let mut params = dated(member, validity)?;
        params.subject_alt_names = vec![SanType::URI(uri.try_into()?)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        Ok(params.signed_by(key, &self.issuer)?.into())
    }

    /// `other`'s name and key, signed by this root: a client that accepts only this root can verify what
    /// `other` signs.
    ///
    /// # Errors
    /// [`AuthorityError::Signing`].
    pub fn cross_sign(
        &self,
        other: &Root,
        now: i64,
    ) -> Result<CertificateDer<'static>, AuthorityError> {
        let end = self.not_after.min(other.not_after);
        let mut params = dated(random_member()?, Validity::of(ROOT_LIFE, now, end))?;
        let name = other.name.as_str();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.use_authority_key_identifier_extension = true;
        Ok(params.signed_by(other.issuer.key(), &self.issuer)?.into())
    }
}

fn root_params(trust_domain: &str, now: i64) -> Result<CertificateParams, AuthorityError> {
    let mut params = dated(random_member()?, Validity::of(ROOT_LIFE, now, i64::MAX))?;
    // Two roots of a mesh need two names: some verifiers stop at the first that fits. A common
    // name has at most 64 characters.
    let mut number = [0; 8];
    random(&mut number)?;
    let name = format!("Outrider root {}", outrider_proto::token::hex(&number));
    params.distinguished_name.push(DnType::CommonName, name);
    // One certificate may stand between: a new root, signed by the old one.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let uri = format!("spiffe://{trust_domain}");
    params.subject_alt_names = vec![SanType::URI(uri.as_str().try_into()?)];
    Ok(params)
}

fn dated(member: MemberId, validity: Validity) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = moment(validity.not_before).into();
    params.not_after = moment(validity.not_after).into();
    params.serial_number = Some(serial(member)?);
    Ok(params)
}

fn moment(unix_seconds: i64) -> SystemTime {
    let since = Duration::from_secs(u64::try_from(unix_seconds).unwrap_or(0));
    SystemTime::UNIX_EPOCH + since
}

/// Positive, not zero, at most 20 octets, never twice (RFC 5280 4.1.2.2).
fn serial(member: MemberId) -> Result<SerialNumber, AuthorityError> {
    let mut octets = [0; 2 * MemberId::BYTES];
    let (first, second) = octets.split_at_mut(MemberId::BYTES);
    first.copy_from_slice(&member.octets());
    random(second)?;
    Ok(SerialNumber::from_slice(&octets))
}

/// A new id, for a member that is joining or for a certificate that belongs to no member.
///
/// # Errors
/// [`AuthorityError::NoRandomness`].
pub fn random_member() -> Result<MemberId, AuthorityError> {
    let mut octets = [0; MemberId::BYTES];
    random(&mut octets)?;
    Ok(MemberId::new(octets))
}

fn random(octets: &mut [u8]) -> Result<(), AuthorityError> {
    aws_lc_rs::rand::fill(octets).map_err(|_| AuthorityError::NoRandomness)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    #[test]
    fn dates_of_a_certificate() {
        let cases = [
            ("a day", 86_400, i64::MAX, (NOW - 300, NOW + 86_400)),
            ("ten seconds", 10, i64::MAX, (NOW - 10, NOW + 10)),
            (
                "never beyond its root",
                86_400,
                NOW + 60,
                (NOW - 300, NOW + 60),
            ),
        ];
        for (name, life, end, (not_before, not_after)) in cases {
            let validity = Validity::of(Duration::from_secs(life), NOW, end);
            let expected = Validity {
                not_before,
                not_after,
            };
            assert_eq!(validity, expected, "{name}");
        }
    }

    #[test]
    fn a_leaf_names_exactly_one_uri_and_is_never_numbered_twice() {
        let root = Root::generate("outrider.local", NOW).expect("a root");
        let key = KeyPair::generate().expect("a key");
        let uri = "spiffe://outrider.local/ns/default/svc/orders";
        let validity = Validity::of(Duration::from_secs(60), NOW, root.not_after());
        let member = random_member().expect("a member");
        let issue = || root.issue(uri, member, &key, validity).expect("a leaf");
        let (first, second) = (issue(), issue());
        let (_, first) = X509Certificate::from_der(&first).expect("a certificate");
        let (_, second) = X509Certificate::from_der(&second).expect("a certificate");
        let names = first.subject_alternative_name().expect("readable names");
        let names = &names.expect("names").value.general_names;
        assert!(
            matches!(names[..], [x509_parser::extensions::GeneralName::URI(name)] if name == uri)
        );
        assert!(!first.is_ca());
        assert_eq!(first.validity().not_before.timestamp(), NOW - 60);
        assert_eq!(first.validity().not_after.timestamp(), NOW + 60);
        assert_ne!(first.raw_serial(), second.raw_serial());
        let of = |leaf: &X509Certificate<'_>| MemberId::of_serial(leaf.raw_serial());
        assert_eq!((of(&first), of(&second)), (member, member));
    }

    #[test]
    fn a_root_that_was_kept_is_the_same_root() {
        let root = Root::generate("outrider.local", NOW).expect("a root");
        let again = Root::load(root.certificate(), root.key()).expect("the same root");
        assert_eq!(again.certificate(), root.certificate());
        assert_eq!(again.not_after(), NOW + 315_360_000);
    }
}
