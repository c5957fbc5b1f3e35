//! What may be said to a hostile request.

use super::STREAM;
use crate::hostile::Said;

/// INTERNAL: what gRPC makes of the HTTP status 400.
const MALFORMED: &str = "13";

/// What is expected on the request's stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Expected {
    /// It is malformed: the stream or the connection ends, or it is refused in words.
    Refused,
    /// Its head was good and may be at the backend already; its end never gets there.
    Cut,
    /// This gRPC status; or, where the octets are no path or value at all, what a malformed request
    /// gets, or as [`Expected::Refused`].
    Status(&'static str),
    /// A status of HTTP from 400 to 499; or as above.
    ClientError,
}

impl Expected {
    /// Heads that the backend may see of it.
    pub(super) fn heads_max(self) -> u64 {
        match self {
            Expected::Cut => 1,
            Expected::Refused | Expected::Status(_) | Expected::ClientError => 0,
        }
    }

    pub(super) fn check(self, said: &Said) -> Result<(), String> {
        let has_ended =
            said.goaway.is_some() || said.is_closed || said.resets.contains_key(&STREAM);
        let status = said.field(STREAM, "grpc-status");
        let http = said.field(STREAM, ":status");
        let is_good = has_ended && status.is_none()
            || match self {
                Expected::Refused | Expected::Cut => {
                    status.is_some_and(|status| status != "0") || is_client_error(http)
                }
                Expected::Status(expected) => status == Some(expected) || status == Some(MALFORMED),
                Expected::ClientError => is_client_error(http),
            };
        match is_good {
            true => Ok(()),
            false => Err(format!("expected {self:?}; it was told {said:?}")),
        }
    }
}

fn is_client_error(status: Option<&str>) -> bool {
    status.is_some_and(|status| status.starts_with('4'))
}
