//! The promise: no octets bring the mesh down. Every input that fuzzing kept, through its target, on
//! stable; `tests/fuzz/run.sh` looks for more.

use std::path::PathBuf;

use outrider_fuzzing::TARGETS;

fn fuzz() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The inputs of a target, as `tests/fuzz/corpora.py` packs them.
fn inputs(target: &str) -> Vec<Vec<u8>> {
    let path = fuzz().join(format!("corpora/{target}.txt"));
    let text = std::fs::read_to_string(&path);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let octet = |line: &str, at| u8::from_str_radix(&line[at..at + 2], 16).expect("hexadecimal");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            (0..line.len())
                .step_by(2)
                .map(|at| octet(line, at))
                .collect()
        })
        .collect()
}

#[test]
fn no_input_that_was_kept_breaks_its_target() {
    for target in TARGETS {
        let inputs = inputs(target.name);
        assert!(inputs.len() >= 3, "{} has no corpus", target.name);
        for (at, input) in inputs.iter().enumerate() {
            // Shown when the target panics.
            println!("tests/fuzz/corpora/{}.txt, input {at}", target.name);
            (target.run)(input);
        }
    }
}

#[test]
fn every_target_has_a_program_and_every_program_a_target() {
    let programs = std::fs::read_dir(fuzz().join("fuzz_targets")).expect("the folder");
    let programs = programs.map(|entry| entry.expect("an entry").file_name());
    let mut programs: Vec<_> = programs
        .map(|name| name.into_string().expect("text"))
        .collect();
    programs.sort();
    let mut targets: Vec<_> = TARGETS
        .iter()
        .map(|target| format!("{}.rs", target.name))
        .collect();
    targets.sort();
    assert_eq!(programs, targets);
    let manifest = std::fs::read_to_string(fuzz().join("Cargo.toml")).expect("a manifest");
    for target in TARGETS {
        assert!(
            manifest.contains(&format!("name = \"{}\"", target.name)),
            "{}",
            target.name
        );
    }
}
