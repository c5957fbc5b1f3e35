//! The soaks, as one command: what takes longer than anybody waits for.

use std::process::Stdio;

use tokio::process::Command;
use tokio::time::Instant;

use super::options::Options;

/// A soak: its name, and the program that is it. The programs run in the root of the repository.
struct Soak {
    name: &'static str,
    words: &'static [&'static str],
    variables: &'static [(&'static str, &'static str)],
}

const SOAKS: &[Soak] = &[
    Soak {
        name: "fuzzing, ten minutes a target",
        words: &["fuzz/run.sh", "600"],
        variables: &[],
    },
    Soak {
        name: "simulation, 10,000 seeds",
        words: &[
            "cargo",
            "test",
            "--release",
            "-p",
            "outrider-tests",
            "--test",
            "simulation",
        ],
        variables: &[("OUTRIDER_SEEDS", "10000")],
    },
    Soak {
        name: "servers that age connections, ten minutes each",
        words: &[
            "cargo",
            "test",
            "--release",
            "-p",
            "outrider-tests",
            "--test",
            "goaway",
        ],
        variables: &[("OUTRIDER_AGING_SECONDS", "600")],
    },
];

/// Runs every soak and says how each ended.
///
/// # Errors
/// Never; what cannot be started has failed.
pub async fn run(options: &Options) -> Result<bool, String> {
    let mut holds = true;
    if options.wants("cancellation") {
        eprintln!("=== 1,000,000 calls, 10 % cancelled in bursts of 100, 10 % past their deadline");
        let passed = super::stalls::cancellation().await;
        println!("- 1,000,000 calls with cancellation, through one sidecar and two: {passed}");
        holds &= passed;
    }
    for soak in SOAKS.iter().filter(|soak| options.wants(soak.name)) {
        eprintln!("=== {}", soak.name);
        let began = Instant::now();
        let passed = passes(soak).await;
        let minutes = began.elapsed().as_secs_f64() / 60.0;
        let word = if passed { "passed" } else { "FAILED" };
        println!("- {}: {word} after {minutes:.1} min", soak.name);
        holds &= passed;
    }
    Ok(holds)
}

async fn passes(soak: &Soak) -> bool {
    let mut command = Command::new(soak.words[0]);
    command.args(&soak.words[1..]).stdin(Stdio::null());
    command.envs(soak.variables.iter().copied());
    // What was skipped has not passed.
    command.env("OUTRIDER_REQUIRE_TOOLS", "1");
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    match command.status().await {
        Ok(status) => status.success(),
        Err(error) => {
            eprintln!("{}: {error}", soak.name);
            false
        }
    }
}
