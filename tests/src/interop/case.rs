//! What is asked of a client and a server: gRPC's own interop cases, and ours on what a proxy could
//! hold back.
//!
//! gRPC's are those of its "Interoperability Test Case Descriptions"; what ours ask for is in
//! `tests/peers/README.md`.

/// A case by the name that every client program knows it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case(pub &'static str);

/// gRPC's cases.
pub const GRPC: [Case; 18] = [
    Case("empty_unary"),
    Case("large_unary"),
    Case("client_streaming"),
    Case("server_streaming"),
    Case("ping_pong"),
    Case("empty_stream"),
    Case("client_compressed_unary"),
    Case("server_compressed_unary"),
    Case("client_compressed_streaming"),
    Case("server_compressed_streaming"),
    Case("custom_metadata"),
    Case("status_code_and_message"),
    Case("special_status_message"),
    Case("unimplemented_method"),
    Case("unimplemented_service"),
    Case("cancel_after_begin"),
    Case("cancel_after_first_response"),
    Case("timeout_on_sleeping_server"),
];

/// The case after which [`CANCELLED_CALLS`] resets must have reached the server.
pub const CANCEL_SEEN: Case = Case("cancel_seen");

/// Calls that a client cancels in [`CANCEL_SEEN`].
pub const CANCELLED_CALLS: u64 = 20;

/// Ours. First the one whose count no other case may disturb.
pub const OURS: [Case; 6] = [
    CANCEL_SEEN,
    Case("every_status_code"),
    Case("metadata_in_order"),
    Case("early_status"),
    Case("half_close"),
    Case("round_trips"),
];

/// Ours and then gRPC's.
pub fn all() -> impl Iterator<Item = Case> {
    OURS.into_iter().chain(GRPC)
}
