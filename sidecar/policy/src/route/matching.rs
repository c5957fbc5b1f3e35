//! Does a rule match a request?
//!
//! Paths are compared octet by octet, without their query. A header that came several times
//! is judged as one value, joined with commas (gRFC A28 and Envoy do the same), so that
//! repeating a header can neither hide a value nor differ from sending the list in one line.

use std::borrow::Cow;

use crate::path::before_query;

/// What a route wants of a request. All parts must match; the default matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteMatch {
    /// The path rule.
    pub path: PathMatch,
    /// Header rules; all must match.
    pub headers: Vec<HeaderMatch>,
    /// Match gRPC calls only. Default false.
    pub grpc_only: bool,
}

/// A rule about the path, without its query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PathMatch {
    /// Any path.
    #[default]
    Any,
    /// This path: `/shop.v1.Orders/Get`.
    Exact(String),
    /// Every method of this gRPC service: `shop.v1.Orders`.
    Service(String),
    /// Any path that begins with these octets; Envoy's `prefix`, so `/a` also matches `/ab`.
    Prefix(String),
}

/// A rule about one header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderMatch {
    /// Name in lower case.
    pub name: String,
    /// The rule about its value.
    pub value: HeaderValueMatch,
    /// Match what the rule does not. An absent header then matches. Default false.
    pub invert: bool,
}

/// A rule about the value of a header; an absent header matches none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderValueMatch {
    /// Exactly this value.
    Exact(String),
    /// A value that begins so.
    Prefix(String),
    /// Any value, also an empty one.
    Present,
}

impl RouteMatch {
    pub(super) fn matches<'h>(
        &self,
        path: &[u8],
        is_grpc: bool,
        headers: &impl Fn(&str) -> Option<Cow<'h, [u8]>>,
    ) -> bool {
        (is_grpc || !self.grpc_only)
            && self.path.matches(before_query(path))
            && self
                .headers
                .iter()
                .all(|rule| rule.matches(headers(&rule.name).as_deref()))
    }
}

impl PathMatch {
    fn matches(&self, path: &[u8]) -> bool {
        match self {
            PathMatch::Any => true,
            PathMatch::Exact(exact) => path == exact.as_bytes(),
            PathMatch::Prefix(prefix) => path.starts_with(prefix.as_bytes()),
            PathMatch::Service(service) => {
                let method = path
                    .strip_prefix(b"/")
                    .and_then(|p| p.strip_prefix(service.as_bytes()));
                method.is_some_and(|method| method.starts_with(b"/"))
            }
        }
    }
}

impl HeaderMatch {
    fn matches(&self, value: Option<&[u8]>) -> bool {
        value.is_some_and(|value| self.value.matches(value)) != self.invert
    }
}

impl HeaderValueMatch {
    fn matches(&self, value: &[u8]) -> bool {
        match self {
            HeaderValueMatch::Exact(exact) => value == exact.as_bytes(),
            HeaderValueMatch::Prefix(prefix) => value.starts_with(prefix.as_bytes()),
            HeaderValueMatch::Present => true,
        }
    }
}
