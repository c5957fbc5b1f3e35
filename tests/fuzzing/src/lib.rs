//! What each fuzz target does with its octets, and what must hold whatever they are.
//!
//! The coverage-guided runs live in `tests/fuzz/`, outside the workspace, because they need a nightly;
//! this crate is what they call, and what `tests/tests/corpora.rs` replays their corpora through
//! on stable. A target panics when a promise is broken, and for nothing else.

mod engine;
mod frames;
mod grammar;
mod hpack;
mod input;
#[cfg(feature = "mesh")]
mod mesh;

/// A fuzz target: the name of its corpus and of its program in `tests/fuzz/fuzz_targets`.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Snake case.
    pub name: &'static str,
    /// Panics when a promise is broken.
    pub run: fn(&[u8]),
}

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// Every target, outermost octets first.
pub const TARGETS: &[Target] = &[
    target("frames_server", frames::server),
    target("frames_client", frames::client),
    target("hpack_decode", hpack::decode),
    target("hpack_round_trip", hpack::round_trip),
    target("engine", engine::run),
    target("path", grammar::path),
    target("authority", grammar::authority),
    target("grpc_timeout", grammar::grpc_timeout),
    target("traceparent", grammar::traceparent),
    target("spiffe_id", grammar::spiffe_id),
    target("certificate", grammar::certificate),
    #[cfg(feature = "mesh")]
    target("documents", mesh::documents),
    #[cfg(feature = "mesh")]
    target("xds_answer", mesh::xds_answer),
    #[cfg(feature = "mesh")]
    target("stored_configuration", mesh::stored_configuration),
];

/// Runs the target called `name`; what the programs in `tests/fuzz/fuzz_targets` call.
///
/// # Panics
/// When a promise is broken, or when no target has that name.
pub fn run(name: &str, data: &[u8]) {
    let found = TARGETS.iter().find(|target| target.name == name);
    (found.expect("a target of this name").run)(data);
}
