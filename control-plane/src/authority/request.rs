//! A certificate signing request: a public key, and the proof that the client has its private key.
//!
//! Only the key is used; names and extensions in a request are ignored, so that a client cannot ask
//! for another name. Reference: PKCS#10, RFC 2986.

use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SubjectPublicKeyInfo};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use super::error::AuthorityError;

/// Longest request that is parsed. Octets; one with a P-256 key has about 250.
const OCTETS_MAX: usize = 16 * 1_024;

/// The key of the request `der`, EC P-256.
///
/// # Errors
/// [`AuthorityError::Request`]: it is not a request, is not signed by its own key, or has a key of another
/// kind.
pub fn requested_key(der: &[u8]) -> Result<SubjectPublicKeyInfo, AuthorityError> {
    let refused = AuthorityError::Request;
    if der.len() > OCTETS_MAX {
        return Err(refused("is longer than 16 KiB"));
    }
    let parsed = X509CertificationRequest::from_der(der);
    let (rest, request) = parsed.map_err(|_| refused("is not PKCS#10 in DER"))?;
    if !rest.is_empty() {
        return Err(refused("has octets after its end"));
    }
    let key = request.certification_request_info.subject_pki.raw;
    let key = SubjectPublicKeyInfo::from_der(key)
        .ok()
        .filter(|key| *key.algorithm() == PKCS_ECDSA_P256_SHA256)
        .ok_or(refused("has a key that is not EC P-256"))?;
    let signed = request.verify_signature();
    signed.map_err(|_| refused("is not signed with its own key"))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384};

    fn request(key: &KeyPair) -> Vec<u8> {
        let request = CertificateParams::default().serialize_request(key);
        request.expect("a request").der().to_vec()
    }

    fn problem(der: &[u8]) -> String {
        let refused = requested_key(der).expect_err("it is refused");
        refused.to_string()
    }

    #[test]
    fn the_key_is_taken() {
        let key = KeyPair::generate().expect("a key");
        let taken = requested_key(&request(&key)).expect("a good request");
        assert_eq!(taken.der_bytes(), key.public_key_raw());
    }

    #[test]
    fn what_is_refused() {
        let key = KeyPair::generate().expect("a key");
        let good = request(&key);
        assert!(problem(&[]).ends_with("is not PKCS#10 in DER"));
        assert!(problem(&vec![0x30; 20_000]).ends_with("is longer than 16 KiB"));
        assert!(problem(&[&good[..], &[0]].concat()).ends_with("has octets after its end"));
        let large = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).expect("a key");
        assert!(problem(&request(&large)).ends_with("has a key that is not EC P-256"));
        for end in 0..good.len() {
            assert!(requested_key(&good[..end]).is_err());
        }
    }

    #[test]
    fn a_request_that_was_changed_is_refused_or_asks_for_the_same_key() {
        let key = KeyPair::generate().expect("a key");
        let good = request(&key);
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 1;
            if let Ok(taken) = requested_key(&changed) {
                assert_eq!(taken.der_bytes(), key.public_key_raw(), "octet {at}");
            }
        }
    }
}
