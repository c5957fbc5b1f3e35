//! Small grammars, each against a second reading of its standard.
//!
//! Must hold: no panic; exactly the language; what was read and is written again means the same.

use std::time::Duration;

use outrider_identity::{SpiffeId, Svid};
use outrider_policy::{Authority, GrpcPath, TraceContext, check_plain_path, timeout};

pub(crate) fn path(data: &[u8]) {
    let grpc = GrpcPath::parse(data);
    assert_eq!(grpc.is_ok(), is_grpc_path(data));
    if let Ok(grpc) = grpc {
        assert_eq!(
            format!("/{}/{}", grpc.service, grpc.method).as_bytes(),
            data
        );
        assert!(check_plain_path(data).is_ok(), "a gRPC path is a path");
    }
    if check_plain_path(data).is_ok() {
        assert!(data.starts_with(b"/") && data.iter().all(u8::is_ascii_graphic));
        let segments = data
            .split(|octet| *octet == b'?')
            .next()
            .unwrap_or_default();
        let decoded = decoded(segments);
        assert!(!decoded.contains(&b'\\') && !decoded.contains(&0));
        let slashes = |octets: &[u8]| octets.iter().filter(|octet| **octet == b'/').count();
        assert_eq!(slashes(&decoded), slashes(segments), "an encoded slash");
        let mut names = decoded[1..].split(|octet| *octet == b'/');
        assert!(names.all(|name| name != b"." && name != b".."));
        assert!(!decoded.windows(2).any(|pair| pair == b"//"));
    }
}

/// `/N(\.N)*/N` with N = `[A-Za-z_][A-Za-z0-9_]*`.
fn is_grpc_path(path: &[u8]) -> bool {
    let is_name = |name: &[u8]| {
        let is_word = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'_';
        name.first().is_some_and(|first| !first.is_ascii_digit()) && name.iter().all(is_word)
    };
    let parts: Vec<_> = path.split(|octet| *octet == b'/').collect();
    let [b"", service, method] = parts[..] else {
        return false;
    };
    service.split(|octet| *octet == b'.').all(is_name) && is_name(method)
}

/// Percent escapes undone, as a lenient server would.
fn decoded(path: &[u8]) -> Vec<u8> {
    let (mut decoded, mut rest) = (Vec::new(), path);
    while let Some((first, behind)) = rest.split_first() {
        let escape = behind.get(..2).filter(|_| *first == b'%');
        let octet = escape
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(octet.unwrap_or(*first));
        rest = if octet.is_some() {
            &behind[2..]
        } else {
            behind
        };
    }
    decoded
}

pub(crate) fn authority(data: &[u8]) {
    let Ok(authority) = Authority::parse(data) else {
        return;
    };
    let port = authority.port().map(|port| format!(":{port}"));
    let written = format!("{}{}", authority.host(), port.unwrap_or_default());
    // Ports may have leading zeros or be empty, a name may end with a dot; nothing else may differ.
    let again = Authority::parse(written.as_bytes()).expect("what was written");
    assert_eq!(again, authority);
    assert!(data.starts_with(authority.host().as_bytes()));
    assert!(authority.host().starts_with(authority.service_host()));
    assert!(!authority.host().ends_with('.'));
    assert!(!authority.host().is_empty() && authority.host().is_ascii());
    assert!(!data.iter().any(|octet| b"@/?#% \\".contains(octet)));
    let lower = data.to_ascii_lowercase();
    let lower = Authority::parse(&lower).expect("case does not matter");
    assert_eq!(lower.is_loopback(), authority.is_loopback());
    assert!(
        lower
            .service_host()
            .eq_ignore_ascii_case(authority.service_host())
    );
}

pub(crate) fn grpc_timeout(data: &[u8]) {
    let read = timeout::parse(data);
    let is_legal = matches!(data, [digits @ .., b'H' | b'M' | b'S' | b'm' | b'u' | b'n']
        if (1..=8).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit));
    assert_eq!(read.is_ok(), is_legal);
    let octets = data.iter().take(12);
    let nanos = octets.fold(0, |sum, octet| sum << 8 | u128::from(*octet));
    let any = Duration::from_secs((nanos >> 32) as u64)
        .saturating_add(Duration::from_nanos(nanos as u64));
    for given in [read.unwrap_or_default(), any] {
        let text = timeout::format(given);
        let again = timeout::parse(text.as_bytes()).expect("what we write");
        assert!(again <= given, "a deadline grew");
        let lost = given.saturating_sub(again);
        let is_capped = text.as_bytes() == b"99999999H";
        assert!(
            is_capped || lost <= again / 100_000,
            "{given:?} became {again:?}"
        );
    }
}

pub(crate) fn traceparent(data: &[u8]) {
    let Some(read) = TraceContext::parse(data) else {
        return;
    };
    let written = read.format();
    assert_eq!(TraceContext::parse(&written), Some(read));
    assert!(read.trace_id() != [0; 16] && read.span_id() != [0; 8]);
    // Version and flags are ours; the ids are the caller's, digit by digit.
    assert_eq!(written[3..52], data[3..52]);
    let child = read.child(7);
    assert_eq!(
        (child.trace_id(), child.sampled()),
        (read.trace_id(), read.sampled())
    );
}

pub(crate) fn spiffe_id(data: &[u8]) {
    let Ok(id) = SpiffeId::parse(data) else {
        return;
    };
    assert_eq!(id.as_str().as_bytes(), data, "compared octet by octet");
    assert!(data.is_ascii() && data.len() <= 2_048);
    assert_eq!(
        format!("spiffe://{}{}", id.trust_domain(), id.path()),
        id.as_str()
    );
    assert_eq!(id.namespace().is_some(), id.service_name().is_some());
    if let (Some(namespace), Some(service)) = (id.namespace(), id.service_name()) {
        let made = SpiffeId::service(id.trust_domain(), namespace, service);
        assert_eq!(made.as_ref(), Ok(&id));
    }
}

/// The octets as a certificate of a peer, before any signature is looked at.
pub(crate) fn certificate(data: &[u8]) {
    let Ok(Svid { id, .. }) = Svid::parse(&data.to_vec().into()) else {
        return;
    };
    assert!(!id.path().is_empty(), "a leaf speaks for no trust domain");
    let octets = id.as_str().as_bytes();
    let mut windows = data.windows(octets.len());
    assert!(
        windows.any(|window| window == octets),
        "an id that is not there"
    );
}
