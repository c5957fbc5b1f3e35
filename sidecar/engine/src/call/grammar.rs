//! What a request must be before anything looks at it twice: its grammar, whatever it asks for.

use std::time::Duration;

use outrider_http2::Fields;
use outrider_policy::{GrpcPath, check_plain_path, timeout};

use super::Call;
use crate::refusal::{Reason, Refusal};

/// Refuses what is outside the grammar before anything looks at it twice.
pub(super) fn check(call: &Call) -> Result<(), Refusal> {
    // Two parsers could each believe another one, and one of them would not see gRPC.
    if call.request.find_all(b"content-type").nth(1).is_some() {
        return Err(Refusal::early(
            Reason::BadRequest,
            "the request has more than one content-type",
        ));
    }
    let path = call.request.find(b":path").unwrap_or_default();
    let good = match (call.is_grpc, path) {
        (true, _) => GrpcPath::parse(path).map(drop),
        // `OPTIONS *` (RFC 9110 7.1); HTTP/2 lets no other method ask for it.
        (false, b"*") => Ok(()),
        (false, _) => check_plain_path(path),
    };
    good.map_err(|why| {
        Refusal::early(
            Reason::BadRequest,
            format!("the path {} is refused: {why}", shown(path)),
        )
    })
}

/// `grpc-timeout`. Two of them are none: which one counts is not said anywhere.
pub(super) fn asked_timeout(call: &Call) -> Result<Option<Duration>, Refusal> {
    let mut values = call.request.find_all(b"grpc-timeout");
    let Some(value) = values.next().filter(|_| call.is_grpc) else {
        return Ok(None);
    };
    if values.next().is_some() {
        let sentence = "the request has more than one grpc-timeout";
        return Err(Refusal::early(Reason::BadTimeout, sentence));
    }
    let parsed = timeout::parse(value).map_err(|_| {
        let sentence = format!(
            "grpc-timeout {} is not 1 to 8 digits and a unit of HMSmun",
            shown(value)
        );
        Refusal::early(Reason::BadTimeout, sentence)
    })?;
    Ok(Some(parsed))
}

/// A gRPC call is a POST whose content type is `application/grpc`, alone or followed by `+` or `;`.
pub(super) fn is_grpc(request: &Fields) -> bool {
    let Some(rest) = request
        .find(b"content-type")
        .and_then(|value| value.strip_prefix(b"application/grpc"))
    else {
        return false;
    };
    matches!(rest.first(), None | Some(b'+' | b';')) && request.find(b":method") == Some(b"POST")
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

    use super::{is_grpc, shown};

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
        let cases: [(&[u8], &[u8], bool); 7] = [
            (b"POST", b"application/grpc", true),
            (b"POST", b"application/grpc+proto", true),
            (b"POST", b"application/grpc;charset=utf-8", true),
            (b"POST", b"application/grpc-web", false),
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
    fn peer_text_is_escaped_and_cut() {
        assert_eq!(shown(b"a\"\n"), "\"a\\\"\\n\"");
        assert_eq!(shown(&[b'x'; 200]).len(), 96 + 5);
    }
}
