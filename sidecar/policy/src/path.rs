//! Which `:path` values are let in.
//!
//! A gRPC path has a grammar, and nothing outside it reaches routing or authorization
//! (grpc-go CVE-2026-33186). A plain HTTP/2 path that two parsers could read differently is
//! refused, never normalised (Envoy CVE-2019-9901, CVE-2021-29492, CVE-2026-73551): what we
//! judge, what we route and what the backend sees are the same octets.

use std::fmt;

/// Why a `:path` was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadPath {
    /// Not `/package.Service/Method`.
    OutsideGrpcGrammar,
    /// Does not begin with a slash.
    NotAbsolute,
    /// A `#`, which ends the path for some parsers.
    Fragment,
    /// A control octet, a space or an octet above 0x7e, bare or (NUL) encoded.
    ForbiddenOctet,
    /// A `%` without two hexadecimal digits after it.
    BadEscape,
    /// A slash or backslash in disguise: `%2f`, `%5c` or `\`.
    HiddenSlash,
    /// An empty segment: `//`, also in front of a path parameter (`/;x/`).
    EmptySegment,
    /// A segment `.` or `..`, bare, encoded or in front of a path parameter.
    DotSegment,
}

impl fmt::Display for BadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadPath::OutsideGrpcGrammar => "a gRPC path is /package.Service/Method",
            BadPath::NotAbsolute => "it does not begin with a slash",
            BadPath::Fragment => "it has a fragment",
            BadPath::ForbiddenOctet => "it has an octet that no path may have",
            BadPath::BadEscape => "it has a % without two hexadecimal digits",
            BadPath::HiddenSlash => "it has a slash in disguise",
            BadPath::EmptySegment => "it has an empty segment",
            BadPath::DotSegment => "it has a dot segment",
        })
    }
}

/// A `:path` of the form `/N(\.N)*/N` with N = `[A-Za-z_][A-Za-z0-9_]*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GrpcPath<'a> {
    /// The full service name, such as `shop.v1.Orders`.
    pub service: &'a str,
    /// The method, such as `Get`.
    pub method: &'a str,
}

impl<'a> GrpcPath<'a> {
    /// Reads the `:path` of a gRPC call.
    ///
    /// # Errors
    /// [`BadPath::OutsideGrpcGrammar`] for anything else: a query, a wildcard, a third segment.
    pub fn parse(path: &'a [u8]) -> Result<GrpcPath<'a>, BadPath> {
        Self::split(path).ok_or(BadPath::OutsideGrpcGrammar)
    }

    fn split(path: &'a [u8]) -> Option<GrpcPath<'a>> {
        let (service, method) = std::str::from_utf8(path)
            .ok()?
            .strip_prefix('/')?
            .split_once('/')?;
        let fits = is_identifier(method) && service.split('.').all(is_identifier);
        fits.then_some(GrpcPath { service, method })
    }
}

fn is_identifier(name: &str) -> bool {
    let octets = name.as_bytes();
    let all_word = octets
        .iter()
        .all(|octet| octet.is_ascii_alphanumeric() || *octet == b'_');
    all_word && octets.first().is_some_and(|first| !first.is_ascii_digit())
}

/// Checks the `:path` of a plain HTTP/2 request. A query may hold anything printable but `#`.
///
/// # Errors
/// The first thing found that two parsers could disagree about.
pub fn check_plain_path(path: &[u8]) -> Result<(), BadPath> {
    if path.first() != Some(&b'/') {
        return Err(BadPath::NotAbsolute);
    }
    check_octets(path)?;
    let segments = before_query(path);
    check_escapes(segments)?;
    check_segments(segments)
}

/// The path without its query.
pub(crate) fn before_query(path: &[u8]) -> &[u8] {
    path.split(|octet| *octet == b'?')
        .next()
        .unwrap_or_default()
}

fn check_octets(path: &[u8]) -> Result<(), BadPath> {
    if path.contains(&b'#') {
        Err(BadPath::Fragment)
    } else if path.iter().all(u8::is_ascii_graphic) {
        Ok(())
    } else {
        Err(BadPath::ForbiddenOctet)
    }
}

fn check_escapes(path: &[u8]) -> Result<(), BadPath> {
    if path.contains(&b'\\') {
        return Err(BadPath::HiddenSlash);
    }
    for tail in path.split(|octet| *octet == b'%').skip(1) {
        match *tail {
            [b'2', b'f' | b'F', ..] | [b'5', b'c' | b'C', ..] => return Err(BadPath::HiddenSlash),
            [b'0', b'0', ..] => return Err(BadPath::ForbiddenOctet),
            [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {}
            _ => return Err(BadPath::BadEscape),
        }
    }
    Ok(())
}

fn check_segments(path: &[u8]) -> Result<(), BadPath> {
    let mut segments = path.split(|octet| *octet == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        // Some servers cut path parameters (`;x`) off before they look for dots.
        let name = segment
            .split(|octet| *octet == b';')
            .next()
            .unwrap_or_default();
        if name.is_empty() && segments.peek().is_some() {
            return Err(BadPath::EmptySegment);
        }
        if is_dots(name) {
            return Err(BadPath::DotSegment);
        }
    }
    Ok(())
}

/// `.` or `..`, with any dot written as `%2e`.
fn is_dots(mut name: &[u8]) -> bool {
    let mut dots = 0;
    while let [b'.', rest @ ..] | [b'%', b'2', b'e' | b'E', rest @ ..] = name {
        dots += 1;
        name = rest;
    }
    name.is_empty() && (dots == 1 || dots == 2)
}
