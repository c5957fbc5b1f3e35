//! What a peer speaks that does not begin as HTTP/2 does (RFC 9113 3.4).
//!
//! Told from its first octets, as soon as they leave no doubt and no sooner: they may come one by one.

use crate::octets;

/// A protocol that is not the one expected.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Foreign {
    /// HTTP/1: a request line came.
    Http1 {
        /// The request is HEAD: an answer to it has no body.
        is_head: bool,
    },
    /// A TLS handshake began.
    Tls,
    /// HTTP/2, where something else is expected.
    Http2,
    /// None of these.
    Unknown,
}

impl Foreign {
    /// How many kinds [`Foreign::index`] tells apart.
    pub const KINDS: [&'static str; 4] = ["http1", "tls", "http2", "unknown"];

    /// Its place in [`Foreign::KINDS`].
    pub const fn index(self) -> usize {
        match self {
            Foreign::Http1 { .. } => 0,
            Foreign::Tls => 1,
            Foreign::Http2 => 2,
            Foreign::Unknown => 3,
        }
    }

    /// Stable name, for metrics and logs.
    pub const fn name(self) -> &'static str {
        Foreign::KINDS[self.index()]
    }
}

/// Longest request line that is waited for. Octets; a longer one is HTTP/1 if its beginning is.
const LINE_MAX: usize = 8 << 10;

/// Longest method that is believed to be one. Octets; the longest registered one has 17.
const METHOD_MAX: usize = 32;

/// TLS records of a handshake begin so (RFC 8446 5.1): type, and the high octet of the version.
const TLS_HANDSHAKE: [u8; 2] = [0x16, 0x03];

/// The first octets of a peer, until they tell what it speaks.
#[derive(Debug, Default)]
pub struct FirstOctets(Vec<u8>);

impl FirstOctets {
    /// Nothing came before `octets`, and they begin as a TLS handshake does.
    pub fn is_tls(&self, octets: &[u8]) -> bool {
        self.0.is_empty() && octets.first() == TLS_HANDSHAKE.first()
    }

    /// More of them. `None`: they do not tell yet.
    pub fn take(&mut self, octets: &[u8]) -> Option<Foreign> {
        let room = (LINE_MAX + 1).saturating_sub(self.0.len());
        self.0.extend_from_slice(&octets[..octets.len().min(room)]);
        tell(&self.0)
    }
}

fn tell(octets: &[u8]) -> Option<Foreign> {
    if TLS_HANDSHAKE.starts_with(&octets[..octets.len().min(2)]) {
        return (octets.len() >= 2).then_some(Foreign::Tls);
    }
    let is_line_end = |octet: &u8| *octet == b'\n';
    match octets.iter().position(is_line_end) {
        // Judged with what is trimmed: octets that come one by one are, too.
        Some(end) if may_be_line(&octets[..end]) => Some(tell_line(octets[..end].trim_ascii_end())),
        Some(_) => Some(Foreign::Unknown),
        None if !may_be_line(octets) => Some(Foreign::Unknown),
        None if octets.len() > LINE_MAX => Some(http1(octets)),
        None => None,
    }
}

/// A whole first line: that of an HTTP/1 request, or of HTTP/2's preface (RFC 9112 3, RFC 9113 3.4).
fn tell_line(line: &[u8]) -> Foreign {
    let mut words = line.split(|octet| *octet == b' ');
    let (method, version) = (
        words.next().unwrap_or_default(),
        line.rsplit(|octet| *octet == b' ').next(),
    );
    let has_target =
        words.next().is_some_and(|target| !target.is_empty()) && words.next().is_some();
    match version {
        _ if method.is_empty() || !has_target => Foreign::Unknown,
        Some(b"HTTP/1.0" | b"HTTP/1.1") => http1(line),
        Some(b"HTTP/2.0") => Foreign::Http2,
        Some(_) | None => Foreign::Unknown,
    }
}

fn http1(line: &[u8]) -> Foreign {
    Foreign::Http1 {
        is_head: line.starts_with(b"HEAD "),
    }
}

/// Does it begin with a method, or with a part of one, and has no control?
fn may_be_line(octets: &[u8]) -> bool {
    let method = octets
        .split(|octet| *octet == b' ')
        .next()
        .unwrap_or_default();
    let is_method = method.len() <= METHOD_MAX
        && method
            .iter()
            .all(|octet| octets::is_of_name(octet.to_ascii_lowercase()));
    is_method
        && !octets
            .iter()
            .any(|octet| *octet < b' ' && *octet != b'\r' || *octet == 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: Foreign = Foreign::Http1 { is_head: false };
    const HEAD: Foreign = Foreign::Http1 { is_head: true };

    #[test]
    fn the_first_octets_tell_the_protocol_however_they_come() {
        let long = format!("GET /{}", "a".repeat(LINE_MAX));
        let cases: [(&[u8], Option<Foreign>); 25] = [
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Some(GET)),
            (b"GET / HTTP/1.0\r\n", Some(GET)),
            (b"GET / HTTP/1.1\n", Some(GET)),
            (b"POST /a.B/C HTTP/1.1\r\n", Some(GET)),
            (b"PRI * HTTP/1.1\r\n", Some(GET)),
            (b"PROPFIND /a HTTP/1.1\r\n", Some(GET)),
            (b"CONNECT orders:50051 HTTP/1.1\r\n", Some(GET)),
            (b"OPTIONS * HTTP/1.1\r\n", Some(GET)),
            (b"HEAD / HTTP/1.1\r\n", Some(HEAD)),
            (long.as_bytes(), Some(GET)),
            (b"GET / HTTP/1.1", None),
            (b"PUT", None),
            (b"\x16", None),
            (b"\x16\x03\x01\x02\0", Some(Foreign::Tls)),
            (b"\x16\x04", Some(Foreign::Unknown)),
            (b"PRI * HTTP/2.0\r\n", Some(Foreign::Http2)),
            (b"GET /\r\n", Some(Foreign::Unknown)),
            (b"GET  HTTP/1.1\r\n", Some(Foreign::Unknown)),
            (b" / HTTP/1.1\r\n", Some(Foreign::Unknown)),
            (b"\r\n", Some(Foreign::Unknown)),
            (b"GET / HTTP/1.1\t\r\n", Some(Foreign::Unknown)),
            (b"GET / HTTP/1.0\t\n", Some(Foreign::Unknown)),
            (b"GET / HTTP/1.1 \r\n", Some(GET)),
            (b"\0\0\x0c\x04\0", Some(Foreign::Unknown)),
            (b"SSH-2.0-OpenSSH_9.6\r\n", Some(Foreign::Unknown)),
        ];
        for (octets, expected) in cases {
            assert_eq!(FirstOctets::default().take(octets), expected, "{octets:?}");
            let mut one_by_one = FirstOctets::default();
            let told = octets.iter().find_map(|octet| one_by_one.take(&[*octet]));
            assert_eq!(told, expected, "{octets:?}");
        }
    }

    #[test]
    fn what_never_tells_is_not_kept_for_ever() {
        let mut first = FirstOctets::default();
        let long_method = [b'A'; METHOD_MAX + 1];
        assert_eq!(first.take(&long_method), Some(Foreign::Unknown));
        let mut first = FirstOctets::default();
        assert_eq!(first.take(b"GET "), None);
        while first.take(&[b'/'; 100]).is_none() {
            assert!(first.0.len() <= LINE_MAX);
        }
    }
}
