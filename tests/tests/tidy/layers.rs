//! Who may know whom: the dependency table of `docs/ARCHITECTURE.md` as data, and the words that
//! a part's source may not contain.
//!
//! Cargo would let anybody add a line to a manifest; this file is where the line is refused.

use crate::lexer;
use crate::tree::File;

/// What a part may build on.
pub struct Part {
    /// Folder of the crate.
    pub folder: &'static str,
    /// Parts of the mesh it may depend on.
    pub mesh: &'static [&'static str],
    /// Crates of others it may depend on.
    pub others: Others,
    /// Words and paths its code may not contain; `a::b` matches the path, a word the whole word.
    pub banned: &'static [&'static str],
}

/// Crates of others.
pub enum Others {
    /// These and no more.
    Only(&'static [&'static str]),
    /// Any but these.
    AllBut(&'static [&'static str]),
}

/// `std::{` would hide a path from this list. Traits of `std::io` stay allowed: rustls speaks them
/// over memory.
const NO_IO: [&str; 17] = [
    "tokio",
    "mio",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "Instant",
    "SystemTime",
    "Mutex",
    "RwLock",
    "HashMap",
    "HashSet",
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::{",
];

/// One owner, one thread: nothing to share either.
const NO_IO_NO_SHARING: [&str; 20] = [
    "tokio",
    "mio",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "Instant",
    "SystemTime",
    "Mutex",
    "RwLock",
    "HashMap",
    "HashSet",
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::{",
    "std::io",
    "std::sync",
    "thread_local",
];

/// The data path goes through our own HTTP/2; these would be a second one.
const NO_SECOND_DATA_PATH: [&str; 3] = ["h2", "hyper", "hyper-util"];

/// One line a part, in the order of the table.
pub const PARTS: &[Part] = &[
    Part {
        folder: "shared/eviction",
        mesh: &[],
        others: Others::Only(&[]),
        banned: &NO_IO_NO_SHARING,
    },
    Part {
        folder: "sidecar/http2",
        mesh: &[],
        others: Others::Only(&[]),
        banned: &NO_IO_NO_SHARING,
    },
    Part {
        folder: "shared/policy",
        mesh: &[],
        others: Others::Only(&["rustc-hash"]),
        banned: &NO_IO_NO_SHARING,
    },
    Part {
        folder: "shared/identity",
        mesh: &[],
        others: Others::Only(&["rustls", "rustls-pki-types", "rustls-webpki", "x509-parser"]),
        banned: &NO_IO,
    },
    Part {
        folder: "shared/causes",
        mesh: &[],
        others: Others::Only(&["rustls", "time", "x509-parser"]),
        banned: &NO_IO,
    },
    Part {
        folder: "sidecar/engine",
        mesh: &[
            "outrider-causes",
            "outrider-eviction",
            "outrider-http2",
            "outrider-identity",
            "outrider-policy",
        ],
        others: Others::Only(&[
            "rustc-hash",
            "rustls",
            "rustls-pki-types",
            "rustls-webpki",
            "slab",
        ]),
        banned: &NO_IO,
    },
    Part {
        folder: "proto",
        mesh: &[],
        others: Others::Only(&["envoy-types", "prost", "tonic", "tonic-prost"]),
        banned: &["std::fs", "std::env", "TcpStream", "tokio"],
    },
    Part {
        folder: "shared/documents",
        mesh: &["outrider-policy", "outrider-proto"],
        others: Others::Only(&[
            "garde",
            "prost",
            "rpds",
            "serde",
            "serde-saphyr",
            "serde_json",
            "thiserror",
        ]),
        banned: &[
            "std::fs",
            "std::env",
            "std::process",
            "std::thread",
            "TcpStream",
            "TcpListener",
            "UdpSocket",
            "tokio",
            "Instant",
            "SystemTime",
        ],
    },
    Part {
        folder: "shared/allocator",
        mesh: &[],
        others: Others::Only(&["libmimalloc-sys", "mimalloc"]),
        banned: &["Instant", "SystemTime"],
    },
    Part {
        folder: "shared/host",
        mesh: &["outrider-eviction"],
        others: Others::Only(&[
            "axum",
            "nix",
            "notify",
            "serde",
            "serde_json",
            "tokio",
            "tracing",
        ]),
        banned: &["Instant", "SystemTime"],
    },
    Part {
        folder: "sidecar/daemon",
        mesh: &[
            "outrider-allocator",
            "outrider-causes",
            "outrider-documents",
            "outrider-engine",
            "outrider-host",
            "outrider-http2",
            "outrider-identity",
            "outrider-policy",
            "outrider-proto",
        ],
        // hyper-util: a socket as tonic wants one, for the connection to the control plane.
        others: Others::AllBut(&["h2", "hyper"]),
        banned: &[],
    },
    Part {
        folder: "control-plane",
        mesh: &[
            "outrider-causes",
            "outrider-eviction",
            "outrider-documents",
            "outrider-host",
            "outrider-identity",
            "outrider-proto",
        ],
        others: Others::AllBut(&NO_SECOND_DATA_PATH),
        banned: &[],
    },
    Part {
        folder: "cli",
        mesh: &[
            "outrider-allocator",
            "outrider-causes",
            "outrider-control-plane",
            "outrider-daemon",
            "outrider-demo",
            "outrider-documents",
            "outrider-examples",
            "outrider-host",
            "outrider-identity",
            "outrider-policy",
            "outrider-proto",
        ],
        others: Others::AllBut(&["h2", "hyper"]),
        banned: &[],
    },
    Part {
        folder: "examples/demo",
        mesh: &[
            "outrider-causes",
            "outrider-examples",
            "outrider-host",
            "outrider-policy",
        ],
        // hyper-util: reads metrics pages.
        others: Others::AllBut(&["h2", "hyper"]),
        banned: &["outrider_daemon", "outrider_engine", "outrider_proto"],
    },
    Part {
        folder: "examples",
        mesh: &[],
        // `hyper` and `hyper-util` carry the shop's calls: tonic's channel and server would end
        // them at their deadlines themselves, and the demo measures whether the mesh does.
        others: Others::Only(&[
            "hyper",
            "hyper-util",
            "prost",
            "tokio",
            "tokio-stream",
            "tonic",
            "tonic-prost",
        ]),
        banned: &[
            "outrider_daemon",
            "outrider_documents",
            "outrider_engine",
            "outrider_proto",
        ],
    },
];

/// The one file of the engine that may lock: what workers share and no word can hold.
const LOCK: &str = "sidecar/engine/src/cluster/lock.rs";

/// The one file of the sidecar that may read the clock.
pub const CLOCK: &str = "sidecar/daemon/src/clock.rs";

/// Dependencies in a manifest that the part may not have, each as a sentence.
pub fn foreign_dependencies(part: &Part, manifest: &str) -> Vec<String> {
    dependencies(manifest)
        .filter(|name| !is_allowed(part, name))
        .map(|name| {
            format!(
                "{}/Cargo.toml: `{name}` is not for this part; what it may know is listed in \
                 tests/tests/tidy/layers.rs and explained in docs/ARCHITECTURE.md",
                part.folder
            )
        })
        .collect()
}

fn is_allowed(part: &Part, name: &str) -> bool {
    if name.starts_with("outrider-") {
        return part.mesh.contains(&name);
    }
    match part.others {
        Others::Only(names) => names.contains(&name),
        Others::AllBut(names) => !names.contains(&name),
    }
}

/// Names under `[dependencies]` and `[build-dependencies]`, for any target; not dev ones.
fn dependencies(manifest: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    manifest.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            let table = section.rsplit_once("dependencies.");
            inside = ["dependencies", "build-dependencies"]
                .iter()
                .any(|name| section == *name || section.ends_with(&format!(".{name}")));
            return table
                .filter(|(before, _)| !before.ends_with("dev-"))
                .map(|(_, name)| name);
        }
        let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
        (inside && !name.is_empty() && !name.starts_with('#')).then_some(name)
    })
}

/// Banned words in a source file of the part, tests inside the file included.
pub fn banned_words(part: &Part, file: &File) -> Vec<String> {
    part.banned
        .iter()
        .filter(|banned| **banned != "Mutex" || file.path != LOCK)
        .filter_map(|banned| {
            let at = position(&file.code, banned)?;
            Some(format!(
                "{}:{}: `{banned}` is not for {}; pass it in as a value",
                file.path,
                lexer::line_of(&file.code, at),
                part.folder
            ))
        })
        .collect()
}

/// Reads of the clock outside its one file.
pub fn clock_reads(file: &File) -> Vec<String> {
    ["Instant::now", "SystemTime::now"]
        .iter()
        .filter_map(|call| {
            let at = file.code.find(call)?;
            let line = lexer::line_of(&file.code, at);
            Some(format!(
                "{}:{line}: `{call}` is read in {CLOCK} only",
                file.path
            ))
        })
        .collect()
}

/// First place where `banned` stands as a whole word or path.
fn position(code: &str, banned: &str) -> Option<usize> {
    let first = banned.split("::").next().unwrap_or(banned);
    lexer::identifiers(code)
        .filter(|range| &code[range.clone()] == first)
        .map(|range| range.start)
        .find(|&at| {
            let rest = &code[at..];
            let after = rest.as_bytes().get(banned.len());
            let goes_on = after.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
            rest.starts_with(banned) && (banned.ends_with('{') || !goes_on)
        })
}
