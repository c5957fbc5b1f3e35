//! Which messages are malformed, and how they are taken apart (RFC 9113 8.1 to 8.3).

use super::*;

fn list(fields: &[(&str, &str)]) -> Fields {
    fields
        .iter()
        .map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes()))
        .collect()
}

const GET: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":path", "/"),
    (":authority", "a:1"),
];

fn with(more: &[(&str, &str)]) -> Fields {
    list(&[&GET, more].concat())
}

#[test]
fn a_plain_request_passes_unchanged() {
    let mut fields = with(&[
        ("te", "trailers"),
        ("te", "Trailers"),
        ("content-length", "12"),
        ("x", ""),
        ("y", "a\tb \u{fc}"),
    ]);
    let before = fields.clone();
    assert_eq!(
        request(&mut fields, true),
        Ok(Request {
            content_length: Some(12)
        })
    );
    assert_eq!(fields, before);
}

#[test]
fn malformed_requests_are_refused() {
    let bad_fields: [&[(&str, &str)]; 16] = [
        &[("connection", "close")],
        &[("keep-alive", "1")],
        &[("proxy-connection", "close")],
        &[("transfer-encoding", "chunked")],
        &[("upgrade", "h2c")],
        &[("te", "gzip")],
        &[("te", "trailers, gzip")],
        &[("content-length", "")],
        &[("content-length", "-1")],
        &[("content-length", "1, 1")],
        &[("content-length", "18446744073709551616")],
        &[("content-length", "1"), ("content-length", "2")],
        &[("host", "b:1")],
        &[("host", "a:1"), ("host", "a:1")],
        &[("x", "y"), (":path", "/")],
        &[(":path", "/again")],
    ];
    for more in bad_fields {
        assert!(request(&mut with(more), true).is_err(), "{more:?}");
    }
    for missing in [":method", ":scheme", ":path"] {
        let fields: Vec<_> = GET
            .into_iter()
            .filter(|(name, _)| *name != missing)
            .collect();
        assert!(
            request(&mut list(&fields), true).is_err(),
            "without {missing}"
        );
    }
    let bad_pseudo = [
        (0, "CONNECT"),
        (0, ""),
        (0, "G T"),
        (1, ""),
        (1, "1a"),
        (2, ""),
        (2, "a/b"),
        (2, "*"),
        (2, "/a b"),
        (2, "/a#b"),
        (3, ""),
        (3, "user@a"),
        (3, "a/b"),
    ];
    for (at, value) in bad_pseudo {
        let mut fields = GET;
        fields[at].1 = value;
        assert!(
            request(&mut list(&fields), true).is_err(),
            "{} {value}",
            GET[at].0
        );
    }
    for unknown in [":status", ":protocol", ":x", ":"] {
        let mut fields = GET.to_vec();
        fields.push((unknown, "200"));
        assert!(request(&mut list(&fields), true).is_err(), "{unknown}");
    }
}

#[test]
fn there_is_one_authority_afterwards() {
    let mut equal = with(&[("host", "A:1"), ("x", "y")]);
    assert!(request(&mut equal, true).is_ok());
    assert_eq!(equal, with(&[("x", "y")]));

    let mut alone = list(&[GET[0], GET[1], GET[2], ("x", "y"), ("host", "a:1")]);
    assert!(request(&mut alone, true).is_ok());
    assert_eq!(alone, with(&[("x", "y")]));

    let mut bad = list(&[GET[0], GET[1], GET[2], ("host", "user@a")]);
    let why = request(&mut bad, true).expect_err("userinfo");
    assert_eq!(why.to_string(), "a bad host: 0x40 in the value of \"host\"");
}

#[test]
fn a_host_is_the_authority_but_for_case_and_the_default_port() {
    let cases = [
        ("http", "echo", "ECHO", true),
        ("http", "echo", "echo:80", true),
        ("http", "Echo:80", "echo", true),
        ("HTTP", "echo", "echo:80", true),
        ("https", "echo:443", "echo", true),
        ("http", "echo:", "echo", true),
        ("http", "echo:", "echo:80", true),
        ("http", "[::1]", "[::1]:80", true),
        ("http", "echo:50051", "echo:50051", true),
        ("http", "echo", "echo:443", false),
        ("https", "echo", "echo:80", false),
        ("http", "echo", "echo:50051", false),
        ("http", "echo", "echo:080", false),
        ("http", "echo", "echo:80:80", false),
        ("http", "echo", "other", false),
        ("http", "echo", "", false),
        ("http", "[::80]", "[:]", false),
    ];
    for (scheme, authority, host, expected) in cases {
        let mut fields = list(&[
            (":method", "GET"),
            (":scheme", scheme),
            (":path", "/"),
            (":authority", authority),
            ("host", host),
        ]);
        let is_taken = request(&mut fields, true).is_ok();
        assert_eq!(is_taken, expected, "{scheme}: {authority} {host}");
        let left = fields.find(b":authority");
        assert_eq!(left, Some(authority.as_bytes()), "as it was sent");
        assert_eq!(fields.find(b"host").is_none(), expected, "{host}");
    }
}

#[test]
fn what_is_refused_is_named() {
    let refusal =
        |fields: &[(&str, &str)]| request(&mut with(fields), true).map_err(|why| why.to_string());
    for (fields, expected) in [
        (
            ("connection", "close"),
            "a field of HTTP/1 connections: \"connection\"",
        ),
        (("te", "gzip"), "anything but trailers: \"te\""),
        (
            ("content-length", "x"),
            "a length that is no number: \"content-length\"",
        ),
        ((":x", "y"), "an unknown pseudo-field: \":x\""),
        (("host", "b"), "a host that is not :authority: \"host\""),
    ] {
        assert_eq!(refusal(&[fields]), Err(expected.to_owned()));
    }
    let mut path = GET;
    path[2].1 = "/a b";
    let why = request(&mut list(&path), true).expect_err("a space");
    let expected = "a bad value of a pseudo-field: 0x20 in the value of \":path\"";
    assert_eq!(why.to_string(), expected);
}

#[test]
fn a_cut_list_may_miss_pseudo_fields() {
    assert!(request(&mut list(&GET[..1]), false).is_ok());
    assert!(request(&mut list(&[("connection", "")]), false).is_err());
}

#[test]
fn options_may_ask_for_the_asterisk() {
    let mut fields = list(&[(":method", "OPTIONS"), (":scheme", "http"), (":path", "*")]);
    assert!(request(&mut fields, true).is_ok());
}

#[test]
fn responses_have_one_status_in_front() {
    assert_eq!(
        response(&mut list(&[
            (":status", "200"),
            ("content-length", "3"),
            ("content-length", "3")
        ])),
        Ok(Response {
            status: 200,
            content_length: Some(3)
        })
    );
    let bad: [&[(&str, &str)]; 9] = [
        &[],
        &[("x", "y")],
        &[(":status", "20")],
        &[(":status", "2000")],
        &[(":status", "099")],
        &[(":status", "101")],
        &[(":status", "200"), (":status", "200")],
        &[("x", "y"), (":status", "200")],
        &[(":status", "200"), (":path", "/")],
    ];
    for fields in bad {
        assert!(response(&mut list(fields)).is_err(), "{fields:?}");
    }
}

#[test]
fn trailers_have_no_pseudo_fields() {
    assert_eq!(trailers(&mut list(&[("grpc-status", "0")])), Ok(()));
    assert_eq!(trailers(&mut Fields::new()), Ok(()));
    assert!(trailers(&mut list(&[(":path", "/")])).is_err());
    assert!(trailers(&mut list(&[("connection", "close")])).is_err());
}

#[test]
fn of_several_equal_lengths_one_stays() {
    let lengths = [
        ("content-length", "7"),
        ("x", "y"),
        ("content-length", "07"),
    ];
    let kept = |fields: &Fields| -> Vec<Vec<u8>> {
        assert_eq!(fields.find(b"x"), Some(&b"y"[..]), "others stay");
        fields
            .find_all(b"content-length")
            .map(<[u8]>::to_vec)
            .collect()
    };
    let mut asked = with(&lengths);
    let length = request(&mut asked, true).map(|request| request.content_length);
    assert_eq!((length, kept(&asked)), (Ok(Some(7)), vec![b"7".to_vec()]));
    let mut answered = list(&[&[(":status", "200")][..], &lengths].concat());
    let length = response(&mut answered).map(|response| response.content_length);
    assert_eq!(
        (length, kept(&answered)),
        (Ok(Some(7)), vec![b"7".to_vec()])
    );
    let mut ended = list(&lengths);
    assert_eq!(trailers(&mut ended), Ok(()));
    assert_eq!(kept(&ended), [b"7"]);
}
