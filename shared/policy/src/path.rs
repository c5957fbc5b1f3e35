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
        let names = std::str::from_utf8(path).ok()?.strip_prefix('/')?;
        let slash = names.bytes().position(|octet| octet == b'/')?;
        let (service, method) = (names.get(..slash)?, names.get(slash + 1..)?);
        let fits = is_identifier(method) && is_service_name(service);
        fits.then_some(GrpcPath { service, method })
    }

    /// The service of a path that [`GrpcPath::parse`] has taken before; of any other path perhaps
    /// nothing. Costs less than to parse it again.
    pub fn service_of(path: &'a [u8]) -> Option<&'a str> {
        let names = path.strip_prefix(b"/")?;
        let slash = names.iter().position(|octet| *octet == b'/')?;
        std::str::from_utf8(&names[..slash]).ok()
    }
}

/// `package.Service`, without slashes.
pub(crate) fn is_service_name(name: &str) -> bool {
    // Once over the octets, because each call comes here: to split it costs three times as much.
    let mut begins = true;
    for octet in name.bytes() {
        let fits = is_word(octet) && !(begins && octet.is_ascii_digit());
        if !fits && (begins || octet != b'.') {
            return false;
        }
        begins = octet == b'.';
    }
    !begins
}

fn is_identifier(name: &str) -> bool {
    is_service_name(name) && !name.bytes().any(|octet| octet == b'.')
}

fn is_word(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet == b'_'
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_grpc_path_names_service_and_method() {
        let cases = [
            ("/shop.v1.Orders/Get", "shop.v1.Orders", "Get"),
            ("/Echo/Unary", "Echo", "Unary"),
            ("/_a.b2/_m3", "_a.b2", "_m3"),
        ];
        for (path, service, method) in cases {
            assert_eq!(
                GrpcPath::parse(path.as_bytes()),
                Ok(GrpcPath { service, method })
            );
            let alone = GrpcPath::service_of(path.as_bytes());
            assert_eq!(alone, Some(service), "{path}");
        }
    }

    #[test]
    fn no_path_outside_the_grammar_is_a_grpc_path() {
        let cases = [
            "",
            "/",
            "//",
            "*",
            "a.B/C",
            "/a.B",
            "/a.B/",
            "/a.B/C/",
            "/a.B/C/D",
            "//a.B/C",
            "/a.B//C",
            "/a..B/C",
            "/.B/C",
            "/a./C",
            "/a.B/C?x=1",
            "/a.B/C#f",
            "/a.B/C;x",
            "/a.B/%43",
            "/a.B/../C",
            "/./a.B/C",
            "/a.B/C ",
            "/a-B/C",
            "/1a.B/C",
            "/a.B/1",
            "/a.B/C.D",
            "/a.B/\u{e9}",
            "/a.B/C\0",
            "http://h/a.B/C",
        ];
        for path in cases {
            let parsed = GrpcPath::parse(path.as_bytes());
            assert_eq!(parsed, Err(BadPath::OutsideGrpcGrammar), "{path:?}");
        }
        assert!(GrpcPath::parse(b"/a.B/C\xff").is_err());
    }

    #[test]
    fn plain_paths_that_all_parsers_read_alike_pass() {
        let cases = [
            "/",
            "/a",
            "/a/",
            "/a/b.html",
            "/a/b?x=1&y=/../z",
            "/?",
            "/a?b//c",
            "/...",
            "/.a/a.",
            "/a;v=1/b",
            "/%41",
            "/a%20b",
            "/a%252fb",
            "/a?%zz",
        ];
        for path in cases {
            assert_eq!(check_plain_path(path.as_bytes()), Ok(()), "{path}");
        }
    }

    #[test]
    fn plain_paths_that_parsers_could_read_differently_are_refused() {
        let cases = [
            ("", BadPath::NotAbsolute),
            ("*", BadPath::NotAbsolute),
            ("a/b", BadPath::NotAbsolute),
            ("http://h/", BadPath::NotAbsolute),
            ("/a#b", BadPath::Fragment),
            ("/a?b#c", BadPath::Fragment),
            ("/a b", BadPath::ForbiddenOctet),
            ("/a\tb", BadPath::ForbiddenOctet),
            ("/a\0b", BadPath::ForbiddenOctet),
            ("/a\u{e9}", BadPath::ForbiddenOctet),
            ("/a\x7f", BadPath::ForbiddenOctet),
            ("/a%00", BadPath::ForbiddenOctet),
            ("/a%", BadPath::BadEscape),
            ("/a%2", BadPath::BadEscape),
            ("/a%zz", BadPath::BadEscape),
            ("/a%%32", BadPath::BadEscape),
            ("/a%2fb", BadPath::HiddenSlash),
            ("/a%2Fb", BadPath::HiddenSlash),
            ("/a%5cb", BadPath::HiddenSlash),
            ("/a\\b", BadPath::HiddenSlash),
            ("//", BadPath::EmptySegment),
            ("//a", BadPath::EmptySegment),
            ("/a//b", BadPath::EmptySegment),
            ("/;x/a", BadPath::EmptySegment),
            ("/.", BadPath::DotSegment),
            ("/..", BadPath::DotSegment),
            ("/a/../b", BadPath::DotSegment),
            ("/a/./b", BadPath::DotSegment),
            ("/a/%2e%2E/b", BadPath::DotSegment),
            ("/a/.%2e", BadPath::DotSegment),
            ("/a/..;/b", BadPath::DotSegment),
            ("/a/.;x=1/b", BadPath::DotSegment),
            ("/a/..?b", BadPath::DotSegment),
        ];
        for (path, problem) in cases {
            assert_eq!(check_plain_path(path.as_bytes()), Err(problem), "{path:?}");
        }
    }

    proptest! {
        #[test]
        fn every_grpc_path_is_a_safe_plain_path(
            path in "/[A-Za-z_][A-Za-z0-9_]{0,5}(\\.[A-Za-z_][A-Za-z0-9_]{0,5}){0,3}/[A-Za-z_][A-Za-z0-9_]{0,8}",
        ) {
            prop_assert!(GrpcPath::parse(path.as_bytes()).is_ok());
            prop_assert_eq!(check_plain_path(path.as_bytes()), Ok(()));
        }

        #[test]
        fn no_octets_make_it_panic(path in "[/.;%25eEfF?#a\\\\\u{0}-\u{ff}]{0,16}") {
            let passes = check_plain_path(path.as_bytes()).is_ok();
            prop_assert!(!(passes && before_query(path.as_bytes()).windows(2).any(|w| w == b"//")));
            prop_assert!(!(passes && path.contains("/../")) || path.contains('?'));
            let _ = GrpcPath::parse(path.as_bytes());
        }
    }
}
