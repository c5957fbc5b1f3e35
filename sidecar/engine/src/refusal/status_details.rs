//! `grpc-status-details-bin`: a `google.rpc.Status` with a `RetryInfo`, in base64 without padding.
//!
//! Two messages with five fields are written by hand: the engine knows no library of protobuf.
//! Source: `google/rpc/status.proto`, `google/rpc/error_details.proto`; gRPC over HTTP/2, "Responses".

use std::time::Duration;

use outrider_policy::Code;

const RETRY_INFO: &[u8] = b"type.googleapis.com/google.rpc.RetryInfo";

/// The value of the field: this status, and when to come again. The message is that of `grpc-message`,
/// because libraries show the one of the details.
pub(super) fn status_details(code: Code, message: &str, retry_after: Duration) -> String {
    let mut delay = Vec::new();
    push_number(&mut delay, 1, retry_after.as_secs());
    push_number(&mut delay, 2, retry_after.subsec_nanos().into());
    let mut retry_info = Vec::new();
    push_bytes(&mut retry_info, 1, &delay);
    let mut any = Vec::new();
    push_bytes(&mut any, 1, RETRY_INFO);
    push_bytes(&mut any, 2, &retry_info);
    let mut status = Vec::new();
    push_number(&mut status, 1, code as u64);
    push_bytes(&mut status, 2, message.as_bytes());
    push_bytes(&mut status, 3, &any);
    base64(&status)
}

/// A field of wire type 0.
fn push_number(out: &mut Vec<u8>, field: u64, value: u64) {
    push_varint(out, field << 3);
    push_varint(out, value);
}

/// A field of wire type 2.
fn push_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    push_varint(out, field << 3 | 2);
    push_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// RFC 4648 4, without padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let octet = |at: usize| u32::from(group.get(at).copied().unwrap_or_default());
        let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
        for digit in 0..=group.len() {
            let index = bits >> (18 - 6 * digit) & 63;
            out.push(char::from(DIGITS[index as usize]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_the_vectors_of_its_rfc() {
        let vectors = [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("fooba", "Zm9vYmE"),
            ("foobar", "Zm9vYmFy"),
        ];
        for (text, expected) in vectors {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }

    #[test]
    fn the_details_are_a_status_of_google_rpc_with_retry_info() {
        let details = status_details(Code::ResourceExhausted, "no", Duration::from_millis(1_500));
        // {8, "no", [Any{"type.googleapis.com/google.rpc.RetryInfo", {{1, 500_000_000}}}]}
        assert_eq!(
            details,
            "CAgSAm5vGjYKKHR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5SZXRyeUluZm8SCgoICAEQgMq17gE"
        );
    }
}
