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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ORDERS: &str = "spiffe://outrider.local/ns/default/svc/orders";

    fn parse(text: &str) -> Result<SpiffeId, BadSpiffeId> {
        SpiffeId::parse(text.as_bytes())
    }

    #[test]
    fn the_identity_of_a_service_has_its_parts() {
        let id = parse(ORDERS).expect("a legal id");
        assert_eq!(id.trust_domain(), "outrider.local");
        assert_eq!(id.path(), "/ns/default/svc/orders");
        assert_eq!(id.namespace(), Some("default"));
        assert_eq!(id.service_name(), Some("orders"));
        assert_eq!(id.to_string(), ORDERS);
        assert_eq!(
            SpiffeId::service("outrider.local", "default", "orders"),
            Ok(id)
        );
    }

    #[test]
    fn other_legal_ids_are_no_service() {
        let cases = [
            "spiffe://td",
            "spiffe://td/control-plane",
            "spiffe://td/ns/default",
            "spiffe://td/ns/default/svc",
            "spiffe://td/ns/default/sa/orders",
            "spiffe://td/ns/default/svc/orders/x",
            "spiffe://td/x/ns/default/svc/orders",
        ];
        for text in cases {
            let id = parse(text).expect(text);
            assert_eq!((id.namespace(), id.service_name()), (None, None), "{text}");
        }
    }

    #[test]
    fn what_the_standard_forbids_is_refused() {
        use BadSpiffeId::{Path, Scheme, TrustDomain};
        let cases = [
            ("", Scheme),
            ("https://td/a", Scheme),
            ("SPIFFE://td/a", Scheme),
            ("spiffe:/td/a", Scheme),
            ("spiffe://", TrustDomain),
            ("spiffe:///a", TrustDomain),
            ("spiffe://TD/a", TrustDomain),
            ("spiffe://td:80/a", TrustDomain),
            ("spiffe://u@td/a", TrustDomain),
            ("spiffe://t%64/a", TrustDomain),
            ("spiffe://td?x", TrustDomain),
            ("spiffe://td\0/a", TrustDomain),
            ("spiffe://td/", Path),
            ("spiffe://td/a/", Path),
            ("spiffe://td//a", Path),
            ("spiffe://td/./a", Path),
            ("spiffe://td/../a", Path),
            ("spiffe://td/a?x", Path),
            ("spiffe://td/a#x", Path),
            ("spiffe://td/a%2fb", Path),
            ("spiffe://td/a b", Path),
            ("spiffe://td/a\0", Path),
            ("spiffe://td/\u{e9}", Path),
        ];
        for (text, problem) in cases {
            assert_eq!(parse(text), Err(problem), "{text:?}");
        }
        let long = format!("spiffe://td/{}", "a".repeat(ID_OCTETS_MAX));
        assert_eq!(parse(&long), Err(BadSpiffeId::TooLong));
        let domain = format!("spiffe://{}/a", "a".repeat(TRUST_DOMAIN_OCTETS_MAX + 1));
        assert_eq!(parse(&domain), Err(TrustDomain));
    }

    #[test]
    fn ids_that_look_alike_differ() {
        let orders = parse(ORDERS).expect("a legal id");
        for other in ["Orders", "orders.", "order", "orderss"] {
            let other = SpiffeId::service("outrider.local", "default", other).expect(other);
            assert_ne!(other, orders);
        }
    }

    #[test]
    fn a_slash_cannot_smuggle_a_segment_in() {
        for (namespace, service) in [("a/svc/b", "c"), ("a", "b/c"), ("..", "b"), ("a", "")] {
            assert_eq!(
                SpiffeId::service("td", namespace, service),
                Err(BadSpiffeId::Path)
            );
        }
        assert_eq!(
            SpiffeId::service("td/ns", "a", "b"),
            Err(BadSpiffeId::TrustDomain)
        );
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_back_octet_by_octet(
            text in "spiffe://[a-z0-9._-]{1,8}(/[A-Za-z0-9._-]{1,4}){0,5}",
        ) {
            if let Ok(id) = parse(&text) {
                prop_assert_eq!(id.as_str(), text.as_str());
                prop_assert_eq!(format!("spiffe://{}{}", id.trust_domain(), id.path()), text);
            } else {
                prop_assert!(text.contains("/./") || text.contains("/../")
                    || text.ends_with("/.") || text.ends_with("/.."));
            }
        }

        #[test]
        fn no_octets_make_it_panic(uri in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert!(SpiffeId::parse(&uri).is_err());
        }
    }
}
