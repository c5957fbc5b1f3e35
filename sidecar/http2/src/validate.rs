//! Which field lists are HTTP messages (RFC 9113 8.2, 8.3).
//!
//! A list that is not one is malformed: the stream is reset and the owner never sees it.
//! Names and values here have allowed octets only, see `octets`.
//! Where RFC 9113 leaves a choice, the strict one is taken: what two proxies could read
//! differently is refused. Policy on well-formed messages (paths, methods) is the owner's.

use crate::{Field, Fields, octets};

/// Which rule a list breaks.
pub(crate) type Malformed = &'static str;

/// What a stream must know of its request head.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Request {
    pub(crate) content_length: Option<u64>,
}

/// What a stream must know of a response head.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Response {
    /// 100..=999, never 101.
    pub(crate) status: u16,
    pub(crate) content_length: Option<u64>,
}

/// Checks a request head, and leaves it with one authority: a `host` equal to `:authority` is
/// dropped, a `host` alone becomes `:authority`. `is_whole`: no field was cut off by a limit.
pub(crate) fn request(fields: &mut Fields, is_whole: bool) -> Result<Request, Malformed> {
    let mut pseudo = RequestPseudo::default();
    let mut regular = Regular::default();
    for field in fields.iter() {
        if !field.name.starts_with(b":") {
            regular.take(field)?;
        } else if regular.is_begun {
            return Err("pseudo-field behind a field");
        } else {
            pseudo.take(field)?;
        }
    }
    let is_complete = pseudo.method.is_some() && pseudo.scheme.is_some() && pseudo.path.is_some();
    if is_whole && !is_complete {
        return Err("request without :method, :scheme or :path");
    }
    if pseudo.path == Some(b"*") && pseudo.method != Some(b"OPTIONS") {
        return Err("path * without OPTIONS");
    }
    let hosts = Hosts {
        authority: pseudo.authority,
        host: regular.host,
    };
    let content_length = regular.content_length;
    match hosts.judge()? {
        Keep::All => {}
        Keep::NoHost => fields.retain(|field| field.name != b"host"),
        Keep::HostAsAuthority => *fields = with_host_as_authority(fields),
    }
    Ok(Request { content_length })
}

/// Checks a response head.
pub(crate) fn response(fields: &Fields) -> Result<Response, Malformed> {
    let mut status = None;
    let mut regular = Regular::default();
    for field in fields.iter() {
        if !field.name.starts_with(b":") {
            regular.take(field)?;
        } else if regular.is_begun || field.name != b":status" || status.is_some() {
            return Err("misplaced, unknown or repeated pseudo-field");
        } else {
            status = Some(parse_status(field.value)?);
        }
    }
    let status = status.ok_or("response without :status")?;
    Ok(Response {
        status,
        content_length: regular.content_length,
    })
}

/// Checks trailers of either direction.
pub(crate) fn trailers(fields: &Fields) -> Result<(), Malformed> {
    let mut regular = Regular::default();
    for field in fields.iter() {
        if field.name.starts_with(b":") {
            return Err("pseudo-field in trailers");
        }
        regular.take(field)?;
    }
    Ok(())
}

#[derive(Default)]
struct RequestPseudo<'a> {
    method: Option<&'a [u8]>,
    scheme: Option<&'a [u8]>,
    path: Option<&'a [u8]>,
    authority: Option<&'a [u8]>,
}

impl<'a> RequestPseudo<'a> {
    fn take(&mut self, field: Field<'a>) -> Result<(), Malformed> {
        let (place, is_valid) = match field.name {
            b":method" => (&mut self.method, is_method(field.value)),
            b":scheme" => (&mut self.scheme, is_scheme(field.value)),
            b":path" => (&mut self.path, is_path(field.value)),
            b":authority" => (&mut self.authority, is_authority(field.value)),
            // Among them :protocol: extended CONNECT is not announced (RFC 8441).
            _ => return Err("unknown pseudo-field"),
        };
        if !is_valid {
            return Err("bad value of a pseudo-field");
        }
        match place.replace(field.value) {
            None => Ok(()),
            Some(_) => Err("repeated pseudo-field"),
        }
    }
}

/// What is checked across the regular fields of a list.
#[derive(Default)]
struct Regular<'a> {
    is_begun: bool,
    content_length: Option<u64>,
    host: Option<&'a [u8]>,
}

impl<'a> Regular<'a> {
    fn take(&mut self, field: Field<'a>) -> Result<(), Malformed> {
        self.is_begun = true;
        match field.name {
            b"connection" | b"proxy-connection" | b"keep-alive" | b"transfer-encoding"
            | b"upgrade" => Err("connection-specific field"),
            b"te" if field.value != b"trailers" => Err("te other than trailers"),
            b"content-length" => self.take_content_length(field.value),
            b"host" if self.host.is_some() => Err("two hosts"),
            b"host" => {
                self.host = Some(field.value);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn take_content_length(&mut self, value: &[u8]) -> Result<(), Malformed> {
        let length = parse_length(value).ok_or("content-length is not a number")?;
        match self.content_length.replace(length) {
            Some(before) if before != length => Err("two content-lengths"),
            Some(_) | None => Ok(()),
        }
    }
}

struct Hosts<'a> {
    authority: Option<&'a [u8]>,
    host: Option<&'a [u8]>,
}

enum Keep {
    All,
    NoHost,
    HostAsAuthority,
}

impl Hosts<'_> {
    fn judge(&self) -> Result<Keep, Malformed> {
        match (self.authority, self.host) {
            (_, None) => Ok(Keep::All),
            (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host) => {
                Ok(Keep::NoHost)
            }
            (Some(_), Some(_)) => Err("host differs from :authority"),
            (None, Some(host)) if is_authority(host) => Ok(Keep::HostAsAuthority),
            (None, Some(_)) => Err("bad host"),
        }
    }
}

/// RFC 9113 8.3.1: an intermediary makes `:authority` of a lone `host`.
fn with_host_as_authority(fields: &Fields) -> Fields {
    let host = fields.find(b"host").unwrap_or_default();
    let pseudo = fields.iter().filter(|field| field.name.starts_with(b":"));
    let regular = fields
        .iter()
        .filter(|field| !field.name.starts_with(b":") && field.name != b"host");
    pseudo
        .chain([Field::new(b":authority", host)])
        .chain(regular)
        .collect()
}

/// CONNECT is refused: there are no tunnels inside HTTP/2 here (CVE-2025-64763).
fn is_method(value: &[u8]) -> bool {
    let is_token = |octet: &u8| octets::is_of_name(octet.to_ascii_lowercase());
    !value.is_empty() && value.iter().all(is_token) && value != b"CONNECT"
}

fn is_scheme(value: &[u8]) -> bool {
    let is_more = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'-' | b'.');
    value.first().is_some_and(u8::is_ascii_alphabetic) && value.iter().all(is_more)
}

/// Begins with a slash, or is the asterisk of OPTIONS; no white space, controls or fragment.
fn is_path(value: &[u8]) -> bool {
    let is_bad = |octet: u8| (octet <= b' ') | (octet == 0x7f) | (octet == b'#');
    (value.starts_with(b"/") || value == b"*")
        && !value.iter().fold(false, |bad, &octet| bad | is_bad(octet))
}

/// Not empty; nothing that would end an authority in a URI, and no userinfo.
fn is_authority(value: &[u8]) -> bool {
    let is_bad = |octet: u8| octet <= b' ' || octet >= 0x7f || b"/?#@\\\"<>".contains(&octet);
    !value.is_empty() && !value.iter().any(|&octet| is_bad(octet))
}

fn parse_status(value: &[u8]) -> Result<u16, Malformed> {
    match value {
        b"101" => Err("status 101"),
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            Ok(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'))
        }
        _ => Err(":status is not three digits"),
    }
}

fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_u64, |length, octet| {
        let digit = octet.is_ascii_digit().then(|| u64::from(octet - b'0'))?;
        length.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests;
