//! The identity's three files: read together, checked together, swapped as one.
//!
//! A change that does not fit (key of another certificate, another service, expired) is refused,
//! logged once, and the old identity kept. The engine decides which peers are accepted on a connection.
//! SPIFFE's X.509-SVID says what a certificate must hold.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use outrider_engine::TlsMaterial;
use rustls::time_provider::DefaultTimeProvider;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::status::IdentityStatus;
use crate::clock;
use crate::error::IdentityError;
use crate::options::{IdentityFiles, Options};

/// A sidecar is no longer ready when less than one part in so many of its certificate's life is
/// left, because moving calls elsewhere takes time.
const READY_SHARE: i64 = 10;

/// The identity that a sidecar must have.
#[derive(Clone, Debug)]
pub struct Expected {
    id: String,
}

impl Expected {
    /// The identity of the service of `options` in `trust_domain`.
    pub fn new(options: &Options, trust_domain: &str) -> Expected {
        let Options {
            namespace, service, ..
        } = options;
        Expected {
            id: format!("spiffe://{trust_domain}/ns/{namespace}/svc/{service}"),
        }
    }
}

/// A checked identity.
#[derive(Clone, Debug)]
pub struct Identity {
    /// What the engines use.
    pub material: Arc<TlsMaterial>,
    /// When its life began. Seconds since 1970-01-01 UTC.
    pub since_unix: i64,
    /// When the certificate expires. Seconds since 1970-01-01 UTC.
    pub expires_unix: i64,
}

impl Identity {
    /// The identity for the admin pages, and what was `refused` in its place.
    pub fn status(&self, refused: Option<String>) -> IdentityStatus {
        let life = self.expires_unix.saturating_sub(self.since_unix);
        IdentityStatus {
            id: self.material.identity().as_str().to_owned(),
            expires_unix: self.expires_unix,
            ready_until_unix: self.expires_unix - life / READY_SHARE,
            refused,
        }
    }
}

/// The files' octets at one moment.
#[derive(Hash)]
pub struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    trust_bundle: Vec<u8>,
}

/// Reads the three files.
///
/// # Errors
/// [`IdentityError::Unreadable`] names the file and its flag.
pub fn read(files: &IdentityFiles) -> Result<Contents, IdentityError> {
    Ok(Contents {
        certificate: read_file(&files.certificate, "--certificate")?,
        key: read_file(&files.key, "--key")?,
        trust_bundle: read_file(&files.trust_bundle, "--trust-bundle")?,
    })
}

fn read_file(path: &Path, flag: &'static str) -> Result<Vec<u8>, IdentityError> {
    fs::read(path).map_err(|source| IdentityError::Unreadable {
        path: path.to_owned(),
        flag,
        source,
    })
}

impl Contents {
    /// Checks that the contents belong together and to the service expected, and are valid now.
    ///
    /// # Errors
    /// [`IdentityError`] says which file, and what would fit.
    pub fn check(
        &self,
        files: &IdentityFiles,
        expected: &Expected,
    ) -> Result<Identity, IdentityError> {
        let chain = certificates(&self.certificate, &files.certificate, "--certificate")?;
        let bundle = certificates(&self.trust_bundle, &files.trust_bundle, "--trust-bundle")?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| {
            malformed(
                &files.key,
                "--key",
                format!("no private key found: {error}"),
            )
        })?;
        let unfit = |problem: String| IdentityError::Unfit {
            certificate: files.certificate.clone(),
            problem,
        };
        check(chain, key, &bundle, expected).map_err(unfit)
    }
}

/// Checks that chain, key and bundle belong together and to the service expected, and that the
/// certificate is valid now.
///
/// # Errors
/// The problem with the certificate, for people.
pub fn check(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    bundle: &[CertificateDer<'_>],
    expected: &Expected,
) -> Result<Identity, String> {
    let leaf = chain.first().ok_or("it is empty")?;
    let (since_unix, expires_unix) = life(leaf)?;
    let material = TlsMaterial::new(chain, key, bundle, Arc::new(DefaultTimeProvider))
        .map_err(|error| outrider_causes::describe(&error, None))?;
    check_service(&material, expected)?;
    Ok(Identity {
        material: Arc::new(material),
        since_unix,
        expires_unix,
    })
}

fn certificates(
    pem: &[u8],
    path: &Path,
    flag: &'static str,
) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| malformed(path, flag, format!("not PEM: {error}")))?;
    if found.is_empty() {
        return Err(malformed(path, flag, "it holds no certificate".to_owned()));
    }
    Ok(found)
}

fn malformed(path: &Path, flag: &'static str, problem: String) -> IdentityError {
    IdentityError::Malformed {
        path: PathBuf::from(path),
        flag,
        problem,
    }
}

/// Beginning and end of the leaf's life; an error when now is outside of it.
fn life(leaf: &CertificateDer<'_>) -> Result<(i64, i64), String> {
    let (_, leaf) = x509_parser::parse_x509_certificate(leaf)
        .map_err(|error| format!("it is not X.509: {error}"))?;
    let validity = leaf.validity();
    let (now, clock) = (
        clock::unix_seconds(),
        outrider_causes::rfc3339(clock::unix_seconds()),
    );
    let [begins, ends] = [validity.not_before, validity.not_after]
        .map(|moment| outrider_causes::rfc3339(moment.timestamp()));
    if validity.not_after.timestamp() <= now {
        return Err(format!(
            "it ended at {ends} and our clock says {clock}: renew it, or set the clock of this machine"
        ));
    }
    if validity.not_before.timestamp() > now {
        return Err(format!(
            "it begins at {begins} and our clock says {clock}: the clock of this machine, or of who \
             issued it, is wrong"
        ));
    }
    Ok((
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    ))
}

fn check_service(material: &TlsMaterial, expected: &Expected) -> Result<(), String> {
    let identity = material.identity().as_str();
    if identity == expected.id {
        return Ok(());
    }
    Err(format!(
        "it is {identity}, but this sidecar is {} (trust domain of the mesh, --namespace, --service)",
        expected.id
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Authority;

    fn expected(service: &str) -> Expected {
        Expected::new(&Options::new(service, "."), "outrider.local")
    }

    fn problem(service: &str, files: &IdentityFiles) -> String {
        let contents = read(files).expect("the files are readable");
        contents
            .check(files, &expected(service))
            .expect_err("it does not fit")
            .to_string()
    }

    #[test]
    fn takes_files_that_belong_together() {
        let authority = Authority::new("outrider.local");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files = authority.issue(folder.path(), "orders");
        let contents = read(&files).expect("the files are readable");
        let identity = contents
            .check(&files, &expected("orders"))
            .expect("they fit");
        assert_eq!(
            identity.material.identity().as_str(),
            "spiffe://outrider.local/ns/default/svc/orders"
        );
        assert!(identity.expires_unix > clock::unix_seconds());
    }

    #[test]
    fn refuses_the_key_of_another_certificate() {
        let authority = Authority::new("outrider.local");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut files = authority.issue(folder.path(), "orders");
        files.key = authority.issue(folder.path(), "payments").key;
        let problem = problem("orders", &files);
        assert!(
            problem.contains("the private key does not fit the certificate"),
            "{problem}"
        );
    }

    #[test]
    fn refuses_the_certificate_of_another_service() {
        let authority = Authority::new("outrider.local");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files = authority.issue(folder.path(), "orders");
        let problem = problem("payments", &files);
        let expected = "it is spiffe://outrider.local/ns/default/svc/orders, but this sidecar is \
                        spiffe://outrider.local/ns/default/svc/payments (";
        assert!(problem.contains(expected), "{problem}");
    }

    #[test]
    fn names_the_flag_of_a_file_that_is_missing_or_empty() {
        let authority = Authority::new("outrider.local");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files = authority.issue(folder.path(), "orders");
        fs::write(&files.trust_bundle, "").expect("a file is written");
        let empty = problem("orders", &files);
        assert!(
            empty.ends_with("(--trust-bundle) is not usable: it holds no certificate"),
            "{empty}"
        );
        fs::remove_file(&files.key).expect("a file is removed");
        let missing = read(&files)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(missing.contains("(--key)"), "{missing}");
    }
}
