//! The last thing an endpoint says of a call: its gRPC status, and whether that can be believed.
//!
//! Source: gRPC over HTTP/2, "Responses"; gRPC's `http-grpc-status-mapping.md`.

use outrider_http2::Fields;
use outrider_policy::Code;

pub(super) const GRPC_STATUS: &[u8] = b"grpc-status";

/// How an answer ends.
pub(super) enum FinalPart {
    /// Trailers-only, or a head without a body.
    Head(Fields),
    Data,
    Trailers(Fields),
}

impl FinalPart {
    /// What is wrong with the end of an answer to a gRPC call: a status that two readers could read
    /// differently, or none where the answer's content type says that it `owes` one.
    pub(super) fn fault(&self, owes: bool) -> Option<&'static str> {
        let mut statuses = self.statuses();
        match (statuses.next(), statuses.next()) {
            (Some(status), None) if is_number(status) => None,
            (Some(_), None) => Some("the endpoint's grpc-status is not a number"),
            (Some(_), Some(_)) => {
                Some("the endpoint ended its answer with more than one grpc-status")
            }
            (None, _) if owes => Some("the endpoint ended its answer without a gRPC status"),
            (None, _) => None,
        }
    }

    /// The gRPC status.
    pub(super) fn code(&self) -> Option<Code> {
        self.statuses().next().map(Code::parse)
    }

    fn statuses(&self) -> impl Iterator<Item = &[u8]> {
        let fields = match self {
            FinalPart::Head(fields) | FinalPart::Trailers(fields) => Some(fields),
            FinalPart::Data => None,
        };
        fields
            .into_iter()
            .flat_map(|fields| fields.find_all(GRPC_STATUS))
    }
}

/// One number has one spelling: no signs, no zeros in front.
fn is_number(status: &[u8]) -> bool {
    match status {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.len() < 9 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outrider_http2::Field;

    fn trailers(statuses: &[&str]) -> FinalPart {
        let fields = statuses
            .iter()
            .map(|status| Field::new(GRPC_STATUS, status.as_bytes()));
        FinalPart::Trailers(fields.collect())
    }

    #[test]
    fn a_status_is_one_number_in_its_one_spelling() {
        for good in ["0", "5", "16", "17", "999999999"] {
            assert_eq!(trailers(&[good]).fault(true), None, "{good}");
        }
        for bad in ["", "00", "05", "-1", "+1", " 1", "1 ", "OK", "1234567890"] {
            assert!(trailers(&[bad]).fault(true).is_some(), "{bad}");
        }
        assert!(trailers(&["0", "0"]).fault(true).is_some());
    }

    #[test]
    fn a_status_is_owed_by_a_grpc_answer_only() {
        for last in [
            trailers(&[]),
            FinalPart::Head(Fields::new()),
            FinalPart::Data,
        ] {
            assert!(last.fault(true).is_some());
            assert_eq!((last.fault(false), last.code()), (None, None));
        }
    }
}
