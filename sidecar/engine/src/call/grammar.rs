//! What makes a request gRPC, and how text of a peer is shown.

use outrider_http2::Fields;

const GRPC: &[u8] = b"application/grpc";

/// A gRPC call is a POST of gRPC's content type.
pub(super) fn is_grpc(request: &Fields) -> bool {
    request.find(b"content-type").is_some_and(is_grpc_type)
        && request.find(b":method") == Some(b"POST")
}

/// `application/grpc`, alone or followed by `+` or parameters (gRPC over HTTP/2, "Content-Type"). Letter
/// case is no difference, and there may be white space in front of a parameter (RFC 9110 8.3.1, 5.6.6):
/// a reader that is stricter sees no gRPC, one that is not must not see more gRPC than we do.
pub(super) fn is_grpc_type(value: &[u8]) -> bool {
    let Some((name, rest)) = value.split_at_checked(GRPC.len()) else {
        return false;
    };
    let follows = match rest {
        [b'+', ..] => true,
        _ => matches!(rest.trim_ascii_start(), [] | [b';', ..]),
    };
    // Nearly always as it is written here, which is compared in words of eight octets.
    follows && (name == GRPC || name.eq_ignore_ascii_case(GRPC))
}

/// Several values joined with commas, as no content type is: a comma stands in quotes there.
pub(super) fn is_list(value: &[u8]) -> bool {
    let mut is_quoted = false;
    let is_between = |octet: &u8| {
        is_quoted ^= *octet == b'"';
        *octet == b',' && !is_quoted
    };
    value != GRPC && value.iter().any(is_between)
}

/// Peer-made text for a sentence: quoted, escaped, short.
pub(super) fn shown(value: &[u8]) -> String {
    const SHOWN_MAX: usize = 96;
    let cut = &value[..value.len().min(SHOWN_MAX)];
    let dots = if value.len() > SHOWN_MAX { "..." } else { "" };
    format!("\"{}{dots}\"", cut.escape_ascii())
}

#[cfg(test)]
mod tests {
    use outrider_http2::{Field, Fields};

    use super::{is_grpc, is_list, shown};

    fn request(method: &[u8], content_type: &[u8]) -> Fields {
        let mut fields = Fields::new();
        for (name, value) in [(&b":method"[..], method), (b"content-type", content_type)] {
            fields.push(Field {
                name,
                value,
                sensitive: false,
            });
        }
        fields
    }

    #[test]
    fn grpc_is_a_post_of_its_content_type() {
        let cases: [(&[u8], &[u8], bool); 12] = [
            (b"POST", b"application/grpc", true),
            (b"POST", b"application/grpc+proto", true),
            (b"POST", b"application/grpc;charset=utf-8", true),
            (b"POST", b"application/grpc ; charset=utf-8", true),
            (b"POST", b"Application/GRPC+Proto", true),
            (b"POST", b"application/grpc-web", false),
            (b"POST", b"application/grpc-web+proto", false),
            (b"POST", b"application/grpc, text/html", false),
            (b"POST", b"application/grp", false),
            (b"POST", b"application/grpcx", false),
            (b"GET", b"application/grpc", false),
            (b"POST", b"application/json", false),
        ];
        for (method, content_type, expected) in cases {
            assert_eq!(
                is_grpc(&request(method, content_type)),
                expected,
                "{method:?} {content_type:?}"
            );
        }
    }

    #[test]
    fn a_list_is_no_content_type() {
        assert!(is_list(b"application/json, application/grpc"));
        assert!(is_list(b"application/grpc,"));
        assert!(!is_list(b"multipart/mixed; boundary=\"a,b\""));
        assert!(!is_list(b"application/grpc"));
    }

    #[test]
    fn peer_text_is_escaped_and_cut() {
        assert_eq!(shown(b"a\"\n"), "\"a\\\"\\n\"");
        assert_eq!(shown(&[b'x'; 200]).len(), 96 + 5);
    }
}
