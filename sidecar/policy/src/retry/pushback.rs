//! What a server says about retrying, in `grpc-retry-pushback-ms` (gRFC A6, "Pushback").

use std::time::Duration;

/// The server's word on a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pushback {
    /// Retry after this long, instead of the back-off.
    After(Duration),
    /// Do not retry.
    Stop,
}

impl Pushback {
    /// Reads the value: whole milliseconds that fit 32 bits. Negative, malformed and absurd
    /// values all mean stop.
    pub fn parse(value: &[u8]) -> Pushback {
        let all_digits = value.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(value).ok().filter(|_| all_digits);
        match text.and_then(|text| text.parse::<u32>().ok()) {
            Some(millis) => Pushback::After(Duration::from_millis(u64::from(millis))),
            None => Pushback::Stop,
        }
    }
}
