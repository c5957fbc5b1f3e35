//! Which field lists are HTTP messages (RFC 9113 8.2, 8.3).
//!
//! A list that is not one is malformed: no call is made of it, and its sender learns which field breaks
//! which rule. Names and values here have allowed octets only, and no white space at their ends; see
//! `octets`. Strict where two proxies could read a message differently, lenient where stock gRPC libraries
//! are: `docs/CONFORMANCE.md` has each rule beside what others do with it. Policy on well-formed messages
//! (paths, methods) is the owner's.

use crate::octets::{self, Part};
use crate::{Field, Fields, Malformed};

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
/// dropped, a `host` alone becomes `:authority`. Of several equal lengths one stays. `is_whole`: no field
/// was cut off by a limit.
pub(crate) fn request(fields: &mut Fields, is_whole: bool) -> Result<Request, Malformed> {
    let mut pseudo = RequestPseudo::default();
    let mut regular = Regular::default();
    for field in fields.iter() {
        if !field.name.starts_with(b":") {
            regular.take(field)?;
        } else if regular.is_begun {
            let rule = "a pseudo-field behind other fields";
            return Err(Malformed::field(rule, field.name));
        } else {
            pseudo.take(field)?;
        }
    }
    if is_whole && let Some(missing) = pseudo.missing() {
        return Err(Malformed::message(missing));
    }
    if pseudo.path == Some(b"*") && pseudo.method != Some(b"OPTIONS") {
        let rule = "the asterisk is a path of OPTIONS alone";
        return Err(Malformed::field(rule, b":path"));
    }
    let hosts = Hosts {
        scheme: pseudo.scheme.unwrap_or_default(),
        authority: pseudo.authority,
        host: regular.host,
    };
    let (content_length, repeats) = (regular.content_length, regular.repeats_length);
    match hosts.check()? {
        Keep::All => {}
        Keep::NoHost => fields.retain(|field| field.name != b"host"),
        Keep::HostAsAuthority => *fields = with_host_as_authority(fields),
    }
    if repeats {
        *fields = with_one_length(fields);
    }
    Ok(Request { content_length })
}

/// Checks a response head. Of several equal lengths one stays.
pub(crate) fn response(fields: &mut Fields) -> Result<Response, Malformed> {
    let mut status = None;
    let mut regular = Regular::default();
    for field in fields.iter() {
        if !field.name.starts_with(b":") {
            regular.take(field)?;
        } else if regular.is_begun || field.name != b":status" || status.is_some() {
            let rule = "a misplaced, unknown or repeated pseudo-field";
            return Err(Malformed::field(rule, field.name));
        } else {
            status = Some(parse_status(field.value)?);
        }
    }
    let status = status.ok_or_else(|| Malformed::message("a response without :status"))?;
    let response = Response {
        status,
        content_length: regular.content_length,
    };
    if regular.repeats_length {
        *fields = with_one_length(fields);
    }
    Ok(response)
}

/// Checks trailers of either direction. Of several equal lengths one stays.
pub(crate) fn trailers(fields: &mut Fields) -> Result<(), Malformed> {
    let mut regular = Regular::default();
    for field in fields.iter() {
        if field.name.starts_with(b":") {
            return Err(Malformed::field("a pseudo-field in trailers", field.name));
        }
        regular.take(field)?;
    }
    if regular.repeats_length {
        *fields = with_one_length(fields);
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
            _ => return Err(Malformed::field("an unknown pseudo-field", field.name)),
        };
        if !is_valid {
            return Err(bad_pseudo(field));
        }
        match place.replace(field.value) {
            None => Ok(()),
            Some(_) => Err(Malformed::field("a repeated pseudo-field", field.name)),
        }
    }

    fn missing(&self) -> Option<&'static str> {
        match self {
            RequestPseudo { method: None, .. } => Some("a request without :method"),
            RequestPseudo { scheme: None, .. } => Some("a request without :scheme"),
            RequestPseudo { path: None, .. } => Some("a request without :path"),
            RequestPseudo { .. } => None,
        }
    }
}

/// Which octet it was, if it was one.
fn bad_pseudo(field: Field<'_>) -> Malformed {
    let is_bad: fn(u8) -> bool = match field.name {
        b":method" => |octet| !is_of_method(octet),
        b":scheme" => |octet| !is_of_scheme(octet),
        b":path" => is_bad_in_path,
        _ => is_bad_in_authority,
    };
    let octet = field.value.iter().copied().find(|octet| is_bad(*octet));
    let rule = match (field.name, field.value) {
        (_, b"") => "an empty pseudo-field",
        (b":method", b"CONNECT") => "CONNECT is not served: there are no tunnels here",
        _ => "a bad value of a pseudo-field",
    };
    Malformed::octet(rule, field.name, octet.map(|octet| (Part::Value, octet)))
}

/// What is checked across the regular fields of a list.
#[derive(Default)]
struct Regular<'a> {
    is_begun: bool,
    content_length: Option<u64>,
    /// It came several times, and was the same.
    repeats_length: bool,
    host: Option<&'a [u8]>,
}

impl<'a> Regular<'a> {
    fn take(&mut self, field: Field<'a>) -> Result<(), Malformed> {
        self.is_begun = true;
        match field.name {
            b"connection" | b"proxy-connection" | b"keep-alive" | b"transfer-encoding"
            | b"upgrade" => Err(Malformed::field(
                "a field of HTTP/1 connections",
                field.name,
            )),
            // Its one keyword in HTTP/2 is one of any case, as ABNF has it (RFC 9110 10.1.4).
            b"te" if !field.value.eq_ignore_ascii_case(b"trailers") => {
                Err(Malformed::field("anything but trailers", field.name))
            }
            b"content-length" => self.take_content_length(field.value),
            b"host" if self.host.is_some() => Err(Malformed::field("a second host", field.name)),
            b"host" => {
                self.host = Some(field.value);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn take_content_length(&mut self, value: &[u8]) -> Result<(), Malformed> {
        let refuse = |rule| Malformed::field(rule, b"content-length");
        let length = parse_length(value).ok_or_else(|| refuse("a length that is no number"))?;
        match self.content_length.replace(length) {
            Some(before) if before != length => Err(refuse("two different lengths")),
            before => {
                self.repeats_length |= before.is_some();
                Ok(())
            }
        }
    }
}

struct Hosts<'a> {
    scheme: &'a [u8],
    authority: Option<&'a [u8]>,
    host: Option<&'a [u8]>,
}

enum Keep {
    All,
    NoHost,
    HostAsAuthority,
}

impl Hosts<'_> {
    fn check(&self) -> Result<Keep, Malformed> {
        match (self.authority, self.host) {
            (_, None) => Ok(Keep::All),
            (Some(authority), Some(host)) if self.is_same(authority, host) => Ok(Keep::NoHost),
            (Some(_), Some(_)) => Err(Malformed::field("a host that is not :authority", b"host")),
            (None, Some(host)) if is_authority(host) => Ok(Keep::HostAsAuthority),
            (None, Some(host)) => {
                let octet = host
                    .iter()
                    .copied()
                    .find(|octet| is_bad_in_authority(*octet));
                let octet = octet.map(|octet| (Part::Value, octet));
                Err(Malformed::octet("a bad host", b"host", octet))
            }
        }
    }

    /// The same entity, as RFC 9113 8.3.1 compares them: letter case and the scheme's default port are
    /// no difference (RFC 3986 6.2.2.1, 6.2.3).
    fn is_same(&self, authority: &[u8], host: &[u8]) -> bool {
        let [authority, host] = [authority, host].map(|name| self.without_default_port(name));
        authority.eq_ignore_ascii_case(host)
    }

    fn without_default_port<'n>(&self, name: &'n [u8]) -> &'n [u8] {
        let default: &[u8] = match self.scheme {
            scheme if scheme.eq_ignore_ascii_case(b"http") => b":80",
            scheme if scheme.eq_ignore_ascii_case(b"https") => b":443",
            _ => b":",
        };
        let without = name
            .strip_suffix(b":")
            .or_else(|| name.strip_suffix(default));
        without.unwrap_or(name)
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

/// RFC 9110 8.6: a proxy may make several equal lengths of a message one. The next reader
/// might refuse several.
fn with_one_length(fields: &Fields) -> Fields {
    let mut is_first = true;
    let kept = fields
        .iter()
        .filter(|field| field.name != b"content-length" || std::mem::replace(&mut is_first, false));
    kept.collect()
}

/// CONNECT is refused: there are no tunnels inside HTTP/2 here (CVE-2025-64763).
fn is_method(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|octet| is_of_method(*octet)) && value != b"CONNECT"
}

fn is_of_method(octet: u8) -> bool {
    octets::is_of_name(octet.to_ascii_lowercase())
}

fn is_scheme(value: &[u8]) -> bool {
    value.first().is_some_and(u8::is_ascii_alphabetic)
        && value.iter().all(|octet| is_of_scheme(*octet))
}

fn is_of_scheme(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'-' | b'.')
}

/// Begins with a slash, or is the asterisk of OPTIONS; no white space, controls or fragment.
fn is_path(value: &[u8]) -> bool {
    (value.starts_with(b"/") || value == b"*")
        && !value
            .iter()
            .fold(false, |bad, &octet| bad | is_bad_in_path(octet))
}

fn is_bad_in_path(octet: u8) -> bool {
    (octet <= b' ') | (octet == 0x7f) | (octet == b'#')
}

/// Not empty; nothing that would end an authority in a URI, and no userinfo.
fn is_authority(value: &[u8]) -> bool {
    !value.is_empty() && !value.iter().any(|octet| is_bad_in_authority(*octet))
}

fn is_bad_in_authority(octet: u8) -> bool {
    octet <= b' ' || octet >= 0x7f || b"/?#@\\\"<>".contains(&octet)
}

fn parse_status(value: &[u8]) -> Result<u16, Malformed> {
    match value {
        b"101" => Err(Malformed::field("101 is of HTTP/1", b":status")),
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            Ok(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'))
        }
        _ => Err(Malformed::field("not three digits", b":status")),
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
