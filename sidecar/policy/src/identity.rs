//! SPIFFE ids, parsed strictly and compared octet by octet.
//!
//! Source: spiffe/spiffe `standards/SPIFFE-ID.md`. Stricter than it in one point: the scheme
//! must be lower case. Whether a certificate carries exactly one such id is not known here.

use std::fmt;

const SCHEME: &str = "spiffe://";
/// Longest id. Octets; SPIFFE-ID section 2.3.
const ID_OCTETS_MAX: usize = 2048;
/// Longest trust domain name. Octets; SPIFFE-ID section 2.1.
const TRUST_DOMAIN_OCTETS_MAX: usize = 255;

/// The value is not a SPIFFE id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadSpiffeId {
    /// Does not begin with `spiffe://`.
    Scheme,
    /// The trust domain is empty, over 255 octets, or not of `a-z 0-9 . - _`.
    TrustDomain,
    /// A path segment is empty, `.`, `..`, or not of `A-Z a-z 0-9 . - _`.
    Path,
    /// Over 2,048 octets.
    TooLong,
}

/// A SPIFFE id, such as `spiffe://outrider.local/ns/default/svc/orders`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiffeId {
    text: Box<str>,
    /// Invariant: `text` is `SCHEME`, `trust_domain_len` octets, then nothing or a `/`.
    trust_domain_len: usize,
}

impl SpiffeId {
    /// Reads the octets of a URI name. The path may be empty: that names the trust domain.
    ///
    /// # Errors
    /// [`BadSpiffeId`] names the part that breaks the standard.
    pub fn parse(uri: &[u8]) -> Result<SpiffeId, BadSpiffeId> {
        if uri.len() > ID_OCTETS_MAX {
            return Err(BadSpiffeId::TooLong);
        }
        let text = std::str::from_utf8(uri).map_err(|_| BadSpiffeId::Path)?;
        let rest = text.strip_prefix(SCHEME).ok_or(BadSpiffeId::Scheme)?;
        let (trust_domain, path) = match rest.split_once('/') {
            Some((trust_domain, path)) => (trust_domain, Some(path)),
            None => (rest, None),
        };
        if !is_trust_domain(trust_domain) {
            return Err(BadSpiffeId::TrustDomain);
        }
        if !path.is_none_or(|path| path.split('/').all(is_segment)) {
            return Err(BadSpiffeId::Path);
        }
        Ok(SpiffeId {
            text: text.into(),
            trust_domain_len: trust_domain.len(),
        })
    }

    /// The identity of a service: `spiffe://<trust domain>/ns/<namespace>/svc/<service>`.
    ///
    /// # Errors
    /// [`BadSpiffeId`] if a part is not a legal segment; a `/` in one cannot smuggle in another.
    pub fn service(
        trust_domain: &str,
        namespace: &str,
        service: &str,
    ) -> Result<SpiffeId, BadSpiffeId> {
        if !is_trust_domain(trust_domain) {
            return Err(BadSpiffeId::TrustDomain);
        }
        if !is_segment(namespace) || !is_segment(service) {
            return Err(BadSpiffeId::Path);
        }
        SpiffeId::parse(format!("{SCHEME}{trust_domain}/ns/{namespace}/svc/{service}").as_bytes())
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The trust domain, such as `outrider.local`.
    pub fn trust_domain(&self) -> &str {
        let end = SCHEME.len() + self.trust_domain_len;
        self.text.get(SCHEME.len()..end).unwrap_or_default()
    }

    /// The path with its leading slash, or nothing.
    pub fn path(&self) -> &str {
        self.text
            .get(SCHEME.len() + self.trust_domain_len..)
            .unwrap_or_default()
    }

    /// The namespace, if this is the identity of a service.
    pub fn namespace(&self) -> Option<&str> {
        self.service_parts().map(|(namespace, _)| namespace)
    }

    /// The service name, if this is the identity of a service.
    pub fn service_name(&self) -> Option<&str> {
        self.service_parts().map(|(_, service)| service)
    }

    fn service_parts(&self) -> Option<(&str, &str)> {
        let (namespace, rest) = self.path().strip_prefix("/ns/")?.split_once('/')?;
        let service = rest.strip_prefix("svc/")?;
        (!service.contains('/')).then_some((namespace, service))
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_trust_domain(name: &str) -> bool {
    let legal =
        |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || b".-_".contains(&octet);
    !name.is_empty() && name.len() <= TRUST_DOMAIN_OCTETS_MAX && name.bytes().all(legal)
}

fn is_segment(segment: &str) -> bool {
    let legal = |octet: u8| octet.is_ascii_alphanumeric() || b".-_".contains(&octet);
    !matches!(segment, "" | "." | "..") && segment.bytes().all(legal)
}
