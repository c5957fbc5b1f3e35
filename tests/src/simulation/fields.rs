//! Reading and making field lists.

use std::str::FromStr;

use outrider_http2::{Field, Fields};

pub(super) fn fields(pairs: &[(&str, &str)]) -> Fields {
    pairs
        .iter()
        .map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes()))
        .collect()
}

pub(super) fn text<'f>(fields: &'f Fields, name: &[u8]) -> Option<&'f str> {
    fields
        .find(name)
        .and_then(|value| std::str::from_utf8(value).ok())
}

pub(super) fn number<T: FromStr>(fields: &Fields, name: &[u8]) -> Option<T> {
    text(fields, name)?.parse().ok()
}

/// The call that a request id made by a client names.
pub(super) fn call_of(request_id: &str) -> Option<usize> {
    request_id.strip_prefix("call-")?.parse().ok()
}
