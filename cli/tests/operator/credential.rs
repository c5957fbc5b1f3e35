//! A credential that is not valid any more.

use std::fs;

use rcgen::{CertificateParams, KeyPair, SanType, date_time_ymd};

use crate::mesh::Mesh;

/// The control plane looks at dates before it looks for the issuer, so any issuer will do.
fn expired(folder: &std::path::Path) {
    let mut params = CertificateParams::default();
    let uri = "spiffe://outrider.local/operator";
    params.subject_alt_names = vec![SanType::URI(uri.try_into().expect("ASCII"))];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2020, 1, 2);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    fs::write(folder.join("certificate.pem"), certificate.pem()).expect("written");
    fs::write(folder.join("key.pem"), key.serialize_pem()).expect("written");
}

#[test]
fn a_credential_that_has_expired_says_so_with_its_dates_and_the_clock() {
    let mesh = Mesh::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bundle = mesh.data.path().join("operator/bundle.pem");
    fs::copy(bundle, folder.path().join("bundle.pem")).expect("copied");
    expired(folder.path());
    let credential = folder.path().to_str().expect("text");
    let said = mesh.refuses(1, &["status", "--credential", credential]);
    let dates = "the operator's certificate is valid from 2020-01-01T00:00:00Z to 2020-01-02T00:00:00Z \
                 and our clock says 20";
    assert!(said.contains(dates), "{said}");
}
