//! The public HPACK and frame test cases as a line of the report.

use super::conformance::Line;
use super::options::Options;
use super::program;

const WORDS: [&str; 6] = [
    "cargo",
    "test",
    "--release",
    "--package=outrider-http2",
    "--lib",
    "vectors",
];

/// What cargo calls the tests of each set; which cases those are is in docs/CONFORMANCE.md.
const SETS: [(&str, &str); 2] = [
    ("HPACK", "test hpack::vectors::"),
    ("frames", "test connection::tests::vectors::"),
];

/// Every case of both sets, by the tests that CI runs, too.
pub async fn run(options: &Options) -> Line {
    if options.only.is_some() {
        return Line::left_out("HPACK and frame vectors: not run");
    }
    let (ended, said) = program::run(&WORDS, &[]).await;
    line(ended, &said)
}

fn line(ended: Result<(), String>, said: &str) -> Line {
    let sets = SETS.map(|(set, prefix)| {
        let tests = said.lines().filter(|line| line.starts_with(prefix));
        let passed = tests.clone().filter(|line| line.ends_with("... ok"));
        (set, passed.count(), tests.count())
    });
    let figures = sets.map(|(set, passed, all)| format!("{set} {passed} of {all} tests pass"));
    let figures = format!(
        "vectors of http2jp, each test every case of its set: {}",
        figures.join(", ")
    );
    let all = sets
        .iter()
        .all(|(_, passed, all)| passed == all && *all > 0);
    match ended {
        Ok(()) => Line {
            line: figures,
            holds: all,
        },
        Err(why) => Line {
            line: format!("{figures}; **{why}**"),
            holds: false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_that_did_not_run_has_not_passed() {
        let hpack = "test hpack::vectors::a ... ok\n";
        let frames = "test connection::tests::vectors::b ... ok\n";
        let both = format!("running 2 tests\n{hpack}{frames}");
        assert!(line(Ok(()), &both).holds);
        assert!(!line(Ok(()), hpack).holds);
        assert!(!line(Ok(()), &both.replace("b ... ok", "b ... FAILED")).holds);
        assert!(!line(Err("cargo: exit status: 101".to_owned()), &both).holds);
    }
}
