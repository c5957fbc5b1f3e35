//! What may be a name: of services, gRPC services and methods, hosts, trust domains.

use std::net::IpAddr;

/// Is it a DNS label (RFC 1123): lower-case letters, digits and inner hyphens, at most 63?
pub(crate) fn is_label(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(legal)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// Is it a full gRPC service name, such as `shop.v1.Orders`?
pub(crate) fn is_grpc_service(name: &str) -> bool {
    !name.is_empty() && name.len() <= 255 && name.split('.').all(is_identifier)
}

/// Is it a name of a method, such as `Get`?
pub(crate) fn is_identifier(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(legal)
        && name
            .bytes()
            .next()
            .is_some_and(|byte| !byte.is_ascii_digit())
}

/// Is it a name of a header, in any case (RFC 9110 5.1), at most 256 octets?
pub(crate) fn is_header_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=256).contains(&name.len()) && name.bytes().all(legal)
}

/// Does every server implement it, so that it names none?
pub(crate) fn is_everybodys(grpc_service: &str) -> bool {
    grpc_service.starts_with("grpc.health.") || grpc_service.starts_with("grpc.reflection.")
}

/// Is it a SPIFFE trust domain: letters, digits, dots, hyphens and underscores, lower case?
pub(crate) fn is_trust_domain(name: &str) -> bool {
    let legal =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    (1..=255).contains(&name.len()) && name.bytes().all(legal)
}

/// Where an endpoint listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    pub host: Host,
    pub port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Host {
    Ip(IpAddr),
    /// To be resolved; lower case. With a dot at its end it is absolute (RFC 1034 3.1).
    Name(String),
}

impl Address {
    /// Parses `127.0.0.1:9001`, `[::1]:9001`, `orders.internal:9001`, or absolute
    /// `orders.example.com.:9001`; port 0 is none.
    pub fn parse(text: &str) -> Option<Address> {
        let (host, port) = text.rsplit_once(':')?;
        if port.is_empty() || port.len() > 5 || !port.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let port = port.parse().ok().filter(|port| *port > 0)?;
        let host = parse_host(host)?;
        Some(Address { host, port })
    }
}

fn parse_host(host: &str) -> Option<Host> {
    if let Some(inner) = host.strip_prefix('[') {
        let address = inner.strip_suffix(']')?.parse().ok()?;
        return Some(Host::Ip(IpAddr::V6(address)));
    }
    if let Ok(address) = host.parse() {
        return Some(Host::Ip(IpAddr::V4(address)));
    }
    let name = host.to_ascii_lowercase();
    is_host_name(&name).then_some(Host::Name(name))
}

/// Is it a name that can be resolved, in lower case, with or without the dot of an absolute name?
// With a number at its end it would be an IPv4 address as `inet_aton` reads them, such as 127.1 or
// 0x7f.1, or a broken one, such as 10.0.0.256.
pub fn is_host_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253 && name.split('.').all(is_host_label) && !is_number(last)
}

fn is_number(label: &str) -> bool {
    match label.strip_prefix("0x") {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

// Underscores are no host names by RFC 1123, and compose files are full of them.
fn is_host_label(label: &str) -> bool {
    let legal =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    (1..=63).contains(&label.len()) && label.bytes().all(legal) && !label.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let cases = [
            ("127.0.0.1:9001", true),
            ("[::1]:9001", true),
            ("orders.internal:9001", true),
            ("Shop_orders-1:1", true),
            ("orders.example.com.:9001", true),
            ("Localhost.:9001", true),
            ("orders", false),
            (".:9001", false),
            ("orders..:9001", false),
            ("10.0.0.256.:1", false),
            ("orders:", false),
            ("orders:0", false),
            ("orders:65536", false),
            ("orders:+1", false),
            (":9001", false),
            ("::1:9001", false),
            ("10.0.0.256:1", false),
            ("127.1:1", false),
            ("2130706433:1", false),
            ("010.0.0.1:1", false),
            ("0x7f.1:1", false),
            ("0x7f000001:1", false),
            ("0x:1", false),
            ("10.0x7f:1", false),
            ("0x7g:1", true),
            ("a.0x7f.b:1", true),
            ("[fe80::1%eth0]:9001", false),
            ("-orders:1", false),
            ("b\u{fc}cher.example:1", false),
            ("http://orders:80", false),
            ("or ders:80", false),
        ];
        for (text, good) in cases {
            assert_eq!(Address::parse(text).is_some(), good, "{text}");
        }
    }

    #[test]
    fn grpc_names_are_identifiers_with_dots() {
        let cases = [
            ("shop.v1.Orders", true),
            ("Echo", true),
            ("", false),
            (".Echo", false),
            ("shop..Echo", false),
            ("shop.1.Echo", false),
            ("shop.v1.Orders/Get", false),
        ];
        for (name, good) in cases {
            assert_eq!(is_grpc_service(name), good, "{name}");
        }
    }
}
