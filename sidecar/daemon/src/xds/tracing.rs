//! `Tracing` of a route: how many of the traces that begin there are recorded.

use super::fields::{Fields, refuse_unenforced};
use outrider_policy::Sampling;
use outrider_proto::envoy::route::Tracing;
use outrider_proto::envoy::types::FractionalPercent;
use outrider_proto::envoy::types::fractional_percent::DenominatorType;

/// The sidecar's default where nothing is said.
pub(super) fn parse(wire: Option<&Tracing>, fields: &mut Fields<'_>) -> Sampling {
    let Some(wire) = wire else {
        return Sampling::default();
    };
    refuse_unenforced!(fields, wire, Tracing {
        enforced: random_sampling;
        refused: client_sampling, overall_sampling, custom_tags, operation, upstream_operation;
    });
    // Envoy records all where the message is there and the share is not.
    let Some(share) = &wire.random_sampling else {
        return Sampling::ALL;
    };
    parse_share(share).unwrap_or_else(|| {
        fields.refuse("random_sampling", "is more than all, or of no denominator");
        Sampling::default()
    })
}

fn parse_share(share: &FractionalPercent) -> Option<Sampling> {
    let parts = match DenominatorType::try_from(share.denominator).ok()? {
        DenominatorType::Hundred => 10_000,
        DenominatorType::TenThousand => 100,
        DenominatorType::Million => 1,
    };
    Sampling::new(share.numerator.checked_mul(parts)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_counts_in_parts_of_its_denominator() {
        let cases = [
            ("percent", 3, 0, Sampling::new(30_000)),
            ("of ten thousand", 3, 1, Sampling::new(300)),
            ("of a million", 3, 2, Sampling::new(3)),
            ("all", 100, 0, Some(Sampling::ALL)),
            ("more than all", 101, 0, None),
            ("far more than all", u32::MAX, 0, None),
            ("of an unknown denominator", 1, 3, None),
        ];
        for (rule, numerator, denominator, expected) in cases {
            let share = FractionalPercent {
                numerator,
                denominator,
            };
            assert_eq!(parse_share(&share), expected, "{rule}");
        }
    }
}
