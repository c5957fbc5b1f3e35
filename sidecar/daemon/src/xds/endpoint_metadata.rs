//! The metadata of an endpoint: what its source says of it besides.
//!
//! Names and plain values, in the namespace in which Envoy's load balancing looks for them. They are kept and
//! shown; nothing is decided by them yet.

use super::fields::Fields;
use outrider_proto::ENDPOINT_METADATA;
use outrider_proto::envoy::core::Metadata;
use outrider_proto::google::value::Kind;
use outrider_proto::google::{Struct, Value};
use std::collections::BTreeMap;

pub(super) fn parse(
    metadata: &Option<Metadata>,
    fields: &mut Fields<'_>,
) -> BTreeMap<String, String> {
    let Some(metadata) = metadata else {
        return BTreeMap::new();
    };
    let Metadata {
        filter_metadata,
        typed_filter_metadata,
    } = metadata;
    fields.refuse_if_set("typed_filter_metadata", typed_filter_metadata);
    for name in filter_metadata
        .keys()
        .filter(|name| *name != ENDPOINT_METADATA)
    {
        let problem = format!("must be in `{ENDPOINT_METADATA}`");
        fields.refuse(&format!("filter_metadata.{name}"), problem);
    }
    let Some(Struct { fields: values }) = filter_metadata.get(ENDPOINT_METADATA) else {
        return BTreeMap::new();
    };
    let mut fields = fields.at(&format!("filter_metadata.{ENDPOINT_METADATA}"));
    let mut parsed = BTreeMap::new();
    for (name, value) in values {
        match plain(value) {
            Some(text) => drop(parsed.insert(name.clone(), text)),
            None => fields.refuse(name, "must be a text, a number or a boolean"),
        }
    }
    parsed
}

fn plain(Value { kind }: &Value) -> Option<String> {
    match kind {
        Some(Kind::StringValue(text)) => Some(text.clone()),
        Some(Kind::NumberValue(number)) => Some(number.to_string()),
        Some(Kind::BoolValue(is_set)) => Some(is_set.to_string()),
        Some(Kind::NullValue(_) | Kind::StructValue(_) | Kind::ListValue(_)) | None => None,
    }
}
