//! Names of documents, as they are typed and shown.

use outrider_proto::v1;

/// The kinds there are; typed in any case.
const KINDS: [&str; 4] = ["Mesh", "Service", "TrafficPolicy", "GRPCRoute"];

/// A kind as documents write it; one that is not known is left as it is typed.
pub fn kind(typed: &str) -> String {
    let known = KINDS.iter().find(|kind| kind.eq_ignore_ascii_case(typed));
    known.map_or(typed, |kind| *kind).to_owned()
}

/// `Service/default/orders`.
pub fn shown(name: Option<&v1::DocumentName>) -> String {
    let Some(name) = name else {
        return String::new();
    };
    format!("{}/{}/{}", name.kind, name.namespace, name.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_typed_in_any_case() {
        for (typed, expected) in [
            ("service", "Service"),
            ("grpcroute", "GRPCRoute"),
            ("Other", "Other"),
        ] {
            assert_eq!(kind(typed), expected);
        }
    }
}
