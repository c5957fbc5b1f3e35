//! The headers of one call: those every call shares, and four that no two calls share.
//!
//! Values are made from the call's number, so that a run is the same each time.

use outrider_http2::Field;

use super::policies::{METHODS, SERVICES};

/// Octets of the token behind `Bearer `.
const TOKEN_BYTES: usize = 200;

/// The values of one call's request head.
pub struct RequestHead {
    path: String,
    timeout: String,
    traceparent: String,
    request_id: String,
    token: String,
}

impl RequestHead {
    /// The head of call `number`; calls go round the routes.
    pub fn new(number: u64) -> RequestHead {
        let service = number % SERVICES;
        let method = number / SERVICES % METHODS;
        let [a, b, c] = [1, 2, 3].map(|salt| mix(number * 4 + salt));
        RequestHead {
            path: format!("/bench.Echo{service}/Unary{method}"),
            timeout: format!("{}u", 900_000 + number % 100_000),
            // Never zero in either id: the low bit is set.
            traceparent: format!("00-{a:016x}{b:016x}-{:016x}-00", c | 1),
            request_id: format!("{b:016x}-{a:016x}"),
            token: token(number),
        }
    }

    /// The fields in the order a gRPC client sends them.
    pub fn fields(&self) -> [Field<'_>; 11] {
        [
            Field::new(b":method", b"POST"),
            Field::new(b":scheme", b"http"),
            Field::new(b":path", self.path.as_bytes()),
            Field::new(b":authority", b"localhost:15001"),
            Field::new(b"te", b"trailers"),
            Field::new(b"content-type", b"application/grpc"),
            Field::new(b"user-agent", b"bench/1"),
            Field::new(b"grpc-timeout", self.timeout.as_bytes()),
            Field::new(b"traceparent", self.traceparent.as_bytes()),
            Field::new(b"x-request-id", self.request_id.as_bytes()),
            Field::new(b"authorization", self.token.as_bytes()),
        ]
    }
}

fn token(number: u64) -> String {
    let mut token = String::from("Bearer ");
    for part in 0.. {
        if token.len() >= TOKEN_BYTES {
            break;
        }
        token += &format!("{:016x}", mix(number * 64 + part));
    }
    token.truncate("Bearer ".len() + TOKEN_BYTES);
    token
}

/// SplitMix64's finaliser: neighbouring numbers look unrelated.
fn mix(number: u64) -> u64 {
    let mut x = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_calls_share_a_header_block() {
        let [one, two] = [1, 2].map(RequestHead::new);
        assert_eq!(one.token.len(), "Bearer ".len() + TOKEN_BYTES);
        let same = |name: &[u8]| {
            let value = |head: &RequestHead| {
                let fields = head.fields();
                let field = fields.iter().find(|field| field.name == name);
                field.map(|field| field.value.to_vec())
            };
            value(&one) == value(&two)
        };
        for name in [
            "grpc-timeout",
            "traceparent",
            "x-request-id",
            "authorization",
        ] {
            assert!(!same(name.as_bytes()), "{name}");
        }
        assert!(same(b"content-type"));
    }
}
