//! tonic, which has no shipped interop programs: a client and a server of ours, on the test's runtime.

pub mod client;
mod duplex;
mod echo;
pub mod server;

/// Messages, clients and servers of package `grpc.testing`, generated from
/// `tests/peers/proto/testing.proto` by `cargo run -p xtask -- codegen`.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::all,
    reason = "generated code"
)]
pub mod testing {
    include!("../../gen/grpc.testing.rs");
}

/// Metadata that a server sends back at the start of its answer.
const INITIAL: &str = "x-grpc-test-echo-initial";
/// Metadata that a server sends back at the end.
const TRAILING: &str = "x-grpc-test-echo-trailing-bin";

/// A payload of `size` octets; what is no size is none.
fn payload(size: i32) -> Option<testing::Payload> {
    let body = vec![0; usize::try_from(size).unwrap_or(0)];
    Some(testing::Payload { r#type: 0, body })
}
