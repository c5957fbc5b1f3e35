//! Refuses what is outside the grammar of gRPC and HTTP, before anything reads it twice.

use outrider_policy::{GrpcPath, Reason, check_plain_path};

use crate::call::Call;
use crate::call::grammar::{is_list, shown};
use crate::refusal::Refusal;

pub(super) fn check(call: &Call) -> Result<(), Refusal> {
    // Two parsers could each believe another one, and one of them would not see gRPC.
    let mut types = call.request.find_all(b"content-type");
    if types.next().is_some_and(is_list) || types.next().is_some() {
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
