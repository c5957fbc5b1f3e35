//! Rust from our .proto files, written into the tree and committed.
//!
//! Neither users nor CI need protoc: protox compiles the files, tonic-prost-build
//! prints the Rust. A test proves that the committed files are what the .proto
//! files say. Knows nothing of what the messages mean.

use std::io;
use std::path::{Path, PathBuf};

/// One set of .proto files and where its Rust goes; paths from the workspace's root.
struct Unit {
    files: &'static [&'static str],
    include: &'static str,
    out: &'static str,
    /// Where Google's well-known types come from; by default prost-types.
    well_known: Option<&'static str>,
}

const UNITS: [Unit; 3] = [
    Unit {
        files: &[
            "proto/outrider/v1/policy.proto",
            "proto/outrider/v1/control_plane.proto",
        ],
        include: "proto",
        out: "proto/src/gen",
        well_known: Some("::envoy_types::pb::google::protobuf"),
    },
    Unit {
        files: &["examples/proto/shop.proto"],
        include: "examples/proto",
        out: "examples/src/gen",
        well_known: None,
    },
    Unit {
        files: &["tests/peers/proto/testing.proto"],
        include: "tests/peers/proto",
        out: "tests/src/gen",
        well_known: None,
    },
];

/// Generates all units into the tree at `root`.
///
/// # Errors
/// A .proto file that does not compile, or a file that cannot be written.
pub fn generate(root: &Path) -> io::Result<()> {
    for unit in &UNITS {
        generate_unit(root, unit, &root.join(unit.out))?;
    }
    Ok(())
}

fn generate_unit(root: &Path, unit: &Unit, out: &Path) -> io::Result<()> {
    let files = unit.files.iter().map(|file| root.join(file));
    let descriptors =
        protox::compile(files, [root.join(unit.include)]).map_err(io::Error::other)?;
    std::fs::create_dir_all(out)?;
    let mut config = tonic_prost_build::Config::new();
    config
        .enable_type_names()
        .type_name_domain(["."], "type.googleapis.com");
    let mut builder = tonic_prost_build::configure().out_dir(out);
    if let Some(path) = unit.well_known {
        // prost-build takes another home for these types only if told that it
        // would otherwise have to generate them.
        builder = builder
            .compile_well_known_types(true)
            .extern_path(".google.protobuf", path);
    }
    builder.compile_fds_with_config(descriptors, config)
}

/// The workspace this program was built from.
pub fn workspace_root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn contents(folder: &Path) -> io::Result<BTreeMap<String, String>> {
        std::fs::read_dir(folder)?
            .map(|entry| {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                Ok((name, std::fs::read_to_string(entry.path())?))
            })
            .collect()
    }

    #[test]
    fn the_committed_files_are_what_the_protos_say() {
        let root = workspace_root();
        for unit in &UNITS {
            let fresh = tempfile::tempdir().unwrap();
            generate_unit(&root, unit, fresh.path()).unwrap();
            assert_eq!(
                contents(fresh.path()).unwrap(),
                contents(&root.join(unit.out)).unwrap(),
                "{} is stale: run `cargo run -p xtask -- codegen`",
                unit.out
            );
        }
    }
}
