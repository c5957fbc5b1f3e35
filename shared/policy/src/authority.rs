//! The `:authority` of a call: host and port, checked once, compared without allocation.
//!
//! Stricter than RFC 3986: no userinfo, no percent escapes, no empty label. A dot at the end makes a
//! name absolute (RFC 1034 3.1) and an empty port is none (RFC 3986 3.2.3): both name the same host.
//! One authority serves routing, authorization, metrics and the backend.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The name of our own domain: `orders.mesh` is `orders`.
const MESH_SUFFIX: &str = ".mesh";

/// Longest host name. Octets; RFC 1035 2.3.4 allows 255 on the wire, 253 in text.
pub(crate) const HOST_OCTETS_MAX: usize = 253;

/// The value is not `host` or `host:port`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BadAuthority;

/// A checked `:authority`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    host: &'a str,
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Reads a host name, an IPv4 address or an IPv6 address in brackets, with or without port.
    ///
    /// # Errors
    /// [`BadAuthority`] for anything else, and for a host of more than 253 octets.
    pub fn parse(value: &'a [u8]) -> Result<Authority<'a>, BadAuthority> {
        let text = std::str::from_utf8(value).map_err(|_| BadAuthority)?;
        let (host, port) = split_port(text)?;
        let host = host.strip_suffix('.').unwrap_or(host);
        if !is_host(host) {
            return Err(BadAuthority);
        }
        let port = port.filter(|port| !port.is_empty());
        let port = port.map(parse_port).transpose()?;
        Ok(Authority { host, port })
    }

    /// The host as it was sent, without a dot at its end; an IPv6 address keeps its brackets.
    pub const fn host(&self) -> &'a str {
        self.host
    }

    /// The port, if one was sent.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// `localhost`, 127.0.0.0/8 or `::1`, whatever the port: the call was not addressed to a
    /// service by name, so its gRPC service decides.
    pub fn is_loopback(&self) -> bool {
        if let Some(address) = in_brackets(self.host) {
            let parsed = address.parse::<Ipv6Addr>();
            return parsed.is_ok_and(|address| address.to_canonical().is_loopback());
        }
        self.host.eq_ignore_ascii_case("localhost")
            || self
                .host
                .parse::<Ipv4Addr>()
                .is_ok_and(|address| address.is_loopback())
    }

    /// The host without `.mesh`, in the case it was sent. Compare ignoring ASCII case.
    pub fn service_host(&self) -> &'a str {
        strip_mesh(self.host)
    }
}

/// `orders.mesh` -> `orders`, in any case.
fn strip_mesh(host: &str) -> &str {
    match host.split_at_checked(host.len().saturating_sub(MESH_SUFFIX.len())) {
        Some((service, suffix)) if suffix.eq_ignore_ascii_case(MESH_SUFFIX) => service,
        Some(_) | None => host,
    }
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), BadAuthority> {
    if !text.starts_with('[') {
        let colon = text.bytes().position(|octet| octet == b':');
        return Ok(match colon {
            Some(at) => (&text[..at], text.get(at + 1..)),
            None => (text, None),
        });
    }
    let end = text.find(']').ok_or(BadAuthority)? + 1;
    let (host, rest) = text.split_at_checked(end).ok_or(BadAuthority)?;
    if rest.is_empty() {
        return Ok((host, None));
    }
    let port = rest.strip_prefix(':').ok_or(BadAuthority)?;
    Ok((host, Some(port)))
}

fn parse_port(digits: &str) -> Result<u16, BadAuthority> {
    // `u16::from_str` takes a plus sign; a port has none.
    if !digits.bytes().all(|octet| octet.is_ascii_digit()) || digits.len() > 5 {
        return Err(BadAuthority);
    }
    digits.parse().map_err(|_| BadAuthority)
}

fn in_brackets(host: &str) -> Option<&str> {
    host.strip_prefix('[')?.strip_suffix(']')
}

fn is_host(host: &str) -> bool {
    match in_brackets(host) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.len() <= HOST_OCTETS_MAX && has_labels(host),
    }
}

/// Labels of letters, digits, `-` and `_` between dots, none of them empty. Once over the octets,
/// because each call comes here.
fn has_labels(host: &str) -> bool {
    let mut before = b'.';
    for octet in host.bytes() {
        let fits = octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
        if !fits && (octet != b'.' || before == b'.') {
            return false;
        }
        before = octet;
    }
    before != b'.'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Authority<'_>, BadAuthority> {
        Authority::parse(text.as_bytes())
    }

    #[test]
    fn host_and_port_are_told_apart() {
        let cases = [
            ("orders", "orders", None),
            ("orders:50051", "orders", Some(50051)),
            ("Orders.mesh:0", "Orders.mesh", Some(0)),
            ("a-b_c.d1", "a-b_c.d1", None),
            ("10.0.0.1:80", "10.0.0.1", Some(80)),
            ("[::1]", "[::1]", None),
            ("[2001:db8::1]:65535", "[2001:db8::1]", Some(65535)),
            ("orders.", "orders", None),
            ("orders.mesh.:50051", "orders.mesh", Some(50051)),
            ("10.0.0.1.:80", "10.0.0.1", Some(80)),
            ("orders:", "orders", None),
            ("orders.:", "orders", None),
            ("[::1]:", "[::1]", None),
        ];
        for (text, host, port) in cases {
            assert_eq!(parse(text), Ok(Authority { host, port }), "{text}");
        }
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        let cases = [
            "",
            ":",
            ":80",
            ".",
            ".:80",
            "orders..",
            "orders:x",
            "orders::",
            "orders:.",
            "orders:+80",
            "orders:65536",
            "orders:000080",
            "orders:80:80",
            "user@orders",
            "u:p@orders",
            "orders/",
            "orders?",
            "orders#",
            "a b",
            ".orders",
            "a..b",
            "%6frders",
            "[::1",
            "::1",
            "[]",
            "[::1]x",
            "[::1].",
            "[orders]",
            "[fe80::1%25eth0]",
            "orders\0",
            "\u{43e}rders",
            "a,b",
            "*",
            "*.mesh",
        ];
        for text in cases {
            assert_eq!(parse(text), Err(BadAuthority), "{text:?}");
        }
        assert_eq!(Authority::parse(b"orders\xff"), Err(BadAuthority));
        assert!(parse(&"a".repeat(HOST_OCTETS_MAX)).is_ok());
        assert!(parse(&format!("{}.", "a".repeat(HOST_OCTETS_MAX))).is_ok());
        assert_eq!(parse(&"a".repeat(HOST_OCTETS_MAX + 1)), Err(BadAuthority));
    }

    #[test]
    fn loopback_is_known_by_name_and_address_whatever_the_port() {
        let cases = [
            ("localhost", true),
            ("LocalHost:15001", true),
            ("127.0.0.1", true),
            ("localhost.", true),
            ("LOCALHOST.:", true),
            ("127.0.0.1.:15001", true),
            ("127.9.8.7:1", true),
            ("[::1]:15001", true),
            ("[0:0:0:0:0:0:0:1]", true),
            ("[::ffff:127.0.0.1]", true),
            ("localhost.mesh", false),
            ("notlocalhost", false),
            ("127.1", false),
            ("128.0.0.1", false),
            ("[::2]", false),
            ("0.0.0.0", false),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).map(|a| a.is_loopback()), Ok(expected), "{text}");
        }
    }

    fn is_orders(text: &str) -> bool {
        let authority = parse(text).expect(text);
        authority.service_host().eq_ignore_ascii_case("orders")
    }

    #[test]
    fn a_service_is_named_with_or_without_port_and_mesh_in_any_case() {
        for text in [
            "orders",
            "orders:50051",
            "orders.mesh",
            "ORDERS.Mesh:1",
            "orders.",
            "orders.:50051",
            "Orders.mesh.",
            "orders:",
        ] {
            assert!(is_orders(text), "{text}");
        }
        for text in [
            "orders.mesh.mesh",
            "ordersmesh",
            "orders.shop",
            "mesh",
            "order",
        ] {
            assert!(!is_orders(text), "{text}");
        }
        assert_eq!(parse("mesh").expect("a host").service_host(), "mesh");
    }
}
