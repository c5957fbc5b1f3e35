//! Hostile peers, one class for each way to be hostile, named after its CVE or its row in the
//! project's table of faults.
//!
//! A class runs against any HTTP/2 proxy at an address: `cargo test` runs each against a sidecar, the
//! trust command against a sidecar and against the proxies of others. What a class returns is what
//! we expect of ourselves; whether the process lives, how much memory it takes and what others feel
//! meanwhile is measured from outside.

pub mod backends;
pub mod clients;
pub mod ground;
pub mod requests;

mod call;
mod said;
mod tap;

use std::pin::Pin;
use std::sync::Arc;

pub use call::{call, open};
pub use said::Said;
pub use tap::Seen;

use crate::raw::{Door, Peer};

/// One way to be hostile.
#[derive(Clone, Copy)]
pub struct Class {
    /// Stable name, as in tests and tables.
    pub name: &'static str,
    /// CVE, or where the fault is known from.
    pub source: &'static str,
    /// Names of its variants.
    pub forms: &'static [&'static str],
    /// Runs one variant, by its index in `forms`. An error says how the proxy failed our
    /// expectations.
    pub run: fn(Target, usize) -> Running,
}

/// A variant under way; it stays on the task that runs it.
pub type Running = Pin<Box<dyn Future<Output = Result<(), String>>>>;

/// What a class is run against.
#[derive(Clone, Debug)]
pub struct Target {
    /// The proxy's plaintext HTTP/2 port; or the port that other sidecars reach, with the TLS of a
    /// member of the mesh.
    pub door: Door,
    /// Authority of the service behind it.
    pub authority: String,
    /// What reaches the backend.
    pub seen: Arc<Seen>,
    /// Frames of a flood; fewer are sent only when the proxy closes.
    pub volume: usize,
}

impl Target {
    /// A connection on which both sides have said their SETTINGS.
    ///
    /// # Errors
    /// There is none.
    pub async fn greet(&self, settings: &[(u16, u32)]) -> Result<Peer, String> {
        let greeted = Peer::greet(self.door.clone(), settings).await;
        greeted.map_err(|error| format!("no greeting: {error}"))
    }

    /// Is the hostile one a verified member of the mesh? Such a one is refused where others are
    /// closed: it carries the calls of many.
    pub fn is_member(&self) -> bool {
        self.door.tls.is_some()
    }

    /// Path of a method of the backend, such as `Echo` (see [`ground::Backend`]).
    pub fn path(method: &str) -> String {
        format!("/hostile.Attack/{method}")
    }
}

/// Names and sizes of a list, for people: `3 classes, 11 forms`.
pub fn size(classes: &[Class]) -> String {
    let forms: usize = classes.iter().map(|class| class.forms.len()).sum();
    format!("{} classes, {forms} forms", classes.len())
}

/// Error codes of RFC 9113 7.
pub mod code {
    /// NO_ERROR.
    pub const NO_ERROR: u32 = 0x0;
    /// PROTOCOL_ERROR.
    pub const PROTOCOL_ERROR: u32 = 0x1;
    /// FLOW_CONTROL_ERROR.
    pub const FLOW_CONTROL_ERROR: u32 = 0x3;
    /// STREAM_CLOSED.
    pub const STREAM_CLOSED: u32 = 0x5;
    /// FRAME_SIZE_ERROR.
    pub const FRAME_SIZE_ERROR: u32 = 0x6;
    /// REFUSED_STREAM.
    pub const REFUSED_STREAM: u32 = 0x7;
    /// CANCEL.
    pub const CANCEL: u32 = 0x8;
    /// COMPRESSION_ERROR.
    pub const COMPRESSION_ERROR: u32 = 0x9;
    /// ENHANCE_YOUR_CALM.
    pub const ENHANCE_YOUR_CALM: u32 = 0xb;
}
