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
            // `OPTIONS *` is about the server as a whole (RFC 9110 7.1), so a rule for every path
            // takes it, too.
            PathMatch::Prefix(prefix) if prefix == "/" && path == b"*" => true,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: &PathMatch, path: &str) -> bool {
        let rule = RouteMatch {
            path: rule.clone(),
            ..RouteMatch::default()
        };
        rule.matches(path.as_bytes(), true, &|_| None)
    }

    #[test]
    fn paths_match_without_their_query() {
        let exact = PathMatch::Exact("/shop.v1.Orders/Get".to_owned());
        let service = PathMatch::Service("shop.v1.Orders".to_owned());
        let prefix = PathMatch::Prefix("/api".to_owned());
        let all = PathMatch::Prefix("/".to_owned());
        let cases = [
            (&PathMatch::Any, "/", true),
            (&exact, "/shop.v1.Orders/Get", true),
            (&exact, "/shop.v1.Orders/Get?x=1", true),
            (&exact, "/shop.v1.Orders/GetAll", false),
            (&exact, "/shop.v1.orders/Get", false),
            (&service, "/shop.v1.Orders/Get", true),
            (&service, "/shop.v1.Orders", false),
            (&service, "/shop.v1.OrdersAdmin/Get", false),
            (&service, "shop.v1.Orders/Get", false),
            (&prefix, "/api", true),
            (&prefix, "/api/v1", true),
            (&prefix, "/apis", true),
            (&prefix, "/?x=/api", false),
            (&prefix, "*", false),
            (&all, "/api", true),
            (&all, "*", true),
        ];
        for (rule, path, expected) in cases {
            assert_eq!(check(rule, path), expected, "{rule:?} {path}");
        }
    }

    #[test]
    fn a_header_rule_judges_the_value_or_its_absence() {
        let exact = |invert| (HeaderValueMatch::Exact("gold".to_owned()), invert);
        let prefix = |invert| (HeaderValueMatch::Prefix("go".to_owned()), invert);
        let present = |invert| (HeaderValueMatch::Present, invert);
        let cases = [
            ("same", exact(false), Some("gold"), true),
            ("case counts", exact(false), Some("Gold"), false),
            ("absent is not equal", exact(false), None, false),
            ("not this value", exact(true), Some("gold"), false),
            ("another value", exact(true), Some("iron"), true),
            ("absent is not this value", exact(true), None, true),
            (
                "joined values are not one of them",
                exact(false),
                Some("iron,gold"),
                false,
            ),
            ("begins so", prefix(false), Some("gold"), true),
            ("does not begin so", prefix(false), Some("iron,gold"), false),
            ("an empty value is present", present(false), Some(""), true),
            ("absent", present(true), None, true),
            ("present after all", present(true), Some("x"), false),
        ];
        for (rule, (value, invert), sent, expected) in cases {
            let header = HeaderMatch {
                name: "tier".to_owned(),
                value,
                invert,
            };
            assert_eq!(header.matches(sent.map(str::as_bytes)), expected, "{rule}");
        }
    }

    #[test]
    fn all_parts_of_a_rule_must_match() {
        let tier = |name: &str| HeaderMatch {
            name: name.to_owned(),
            value: HeaderValueMatch::Present,
            invert: false,
        };
        let headers = |name: &str| (name == "a").then_some(Cow::Borrowed(b"1".as_slice()));
        let rule = |names: &[&str], grpc_only| RouteMatch {
            path: PathMatch::Any,
            headers: names.iter().map(|name| tier(name)).collect(),
            grpc_only,
        };
        assert!(rule(&["a"], false).matches(b"/", false, &headers));
        assert!(!rule(&["a", "b"], false).matches(b"/", false, &headers));
        assert!(!rule(&["a"], true).matches(b"/", false, &headers));
        assert!(rule(&["a"], true).matches(b"/", true, &headers));
    }
}
