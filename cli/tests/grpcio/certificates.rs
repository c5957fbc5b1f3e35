//! A certificate authority for one run of the test, and an identity for each service.
//!
//! Its key never leaves memory. Identities are SPIFFE ids in the only URI name of a certificate
//! (SPIFFE X.509-SVID, section 2); keys are EC P-256.

use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, SystemTime};
use std::{fs, io, io::Write, path::Path, path::PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

/// Certificates are valid from a little before now, for clocks that differ.
const BACK_DATED: Duration = Duration::from_secs(300);
/// No test lives longer.
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// The files of one service's identity.
pub struct Files {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub trust_bundle: PathBuf,
}

/// The files of `service` in `folder`, whether they exist or not.
pub fn files(folder: &Path, service: &str) -> Files {
    Files {
        certificate: folder.join(format!("{service}.pem")),
        key: folder.join(format!("{service}.key")),
        trust_bundle: folder.join("authority.pem"),
    }
}

/// Makes an authority and writes an identity for each of `services` into `folder`.
///
/// # Errors
/// When a file cannot be written or the operating system gives no randomness.
pub fn write(folder: &Path, services: &[&str]) -> io::Result<()> {
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let params = authority_params()?;
    let certificate = params.self_signed(&key).map_err(io::Error::other)?;
    fs::write(folder.join("authority.pem"), certificate.pem())?;
    let issuer = Issuer::new(params, key);
    services
        .iter()
        .try_for_each(|service| issue(folder, &issuer, service))
}

fn issue(folder: &Path, issuer: &Issuer<'_, KeyPair>, service: &str) -> io::Result<()> {
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let certificate = leaf_params(service)?
        .signed_by(&key, issuer)
        .map_err(io::Error::other)?;
    let files = files(folder, service);
    fs::write(files.certificate, certificate.pem())?;
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(files.key)?;
    file.write_all(key.serialize_pem().as_bytes())
}

fn authority_params() -> io::Result<CertificateParams> {
    let mut params = dated();
    params
        .distinguished_name
        .push(DnType::CommonName, "Outrider test, gone in a minute");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.subject_alt_names = vec![uri("spiffe://outrider.local")?];
    Ok(params)
}

fn leaf_params(service: &str) -> io::Result<CertificateParams> {
    let mut params = dated();
    params.distinguished_name.push(DnType::CommonName, service);
    params.subject_alt_names = vec![uri(&format!(
        "spiffe://outrider.local/ns/default/svc/{service}"
    ))?];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn uri(id: &str) -> io::Result<SanType> {
    Ok(SanType::URI(id.try_into().map_err(io::Error::other)?))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a certificate is dated by the calendar"
)]
fn dated() -> CertificateParams {
    let now = SystemTime::now();
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = (now - BACK_DATED).into();
    params.not_after = (now + LIFE).into();
    params
}
