//! What each soak runs, and the figures it comes back with.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::Hops;
use crate::aging::{self, Aging, Server};
use crate::cancelling::{self, Tally};

/// What takes longer than anybody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Soak {
    /// Every fuzz target.
    Fuzzing,
    /// The simulation, with more seeds.
    Simulation,
    /// Servers of others that end connections for their age.
    Aging,
    /// Callers that cancel and give too little time.
    Cancellation,
}

/// How a soak ended.
#[derive(Debug)]
pub struct Ended {
    /// Nothing in it breaks a promise.
    pub holds: bool,
    /// What was counted, or what broke: one line of Markdown.
    pub figures: String,
}

impl Ended {
    /// What failed with nothing else to say of it.
    pub fn failed(why: String) -> Ended {
        Ended {
            holds: false,
            figures: why,
        }
    }

    /// Several in one: each must hold.
    fn all(parts: impl IntoIterator<Item = Ended>) -> Ended {
        let parts: Vec<Ended> = parts.into_iter().collect();
        let figures: Vec<&str> = parts.iter().map(|part| part.figures.as_str()).collect();
        Ended {
            holds: parts.iter().all(|part| part.holds),
            figures: figures.join("; "),
        }
    }
}

impl Soak {
    /// All, in the order of the table.
    pub const ALL: [Soak; 4] = [
        Soak::Fuzzing,
        Soak::Simulation,
        Soak::Aging,
        Soak::Cancellation,
    ];

    /// What it is called in the table, and by `--only`.
    pub fn name(self) -> &'static str {
        match self {
            Soak::Fuzzing => "fuzzing, ten minutes a target",
            Soak::Simulation => "simulation, 10,000 seeds",
            Soak::Aging => "aging servers, ten minutes of calls to each",
            Soak::Cancellation => "cancellation, 1,000,000 calls a way",
        }
    }

    /// Runs it to its end.
    pub async fn run(self) -> Ended {
        match self {
            Soak::Fuzzing => fuzzing().await,
            Soak::Simulation => simulation().await,
            Soak::Aging => aging_servers().await,
            Soak::Cancellation => cancellation().await,
        }
    }
}

async fn fuzzing() -> Ended {
    let (ended, said) = program(&["fuzz/run.sh", "600"], &[]).await;
    let mut counts: Vec<(&str, u64)> = said.lines().filter_map(executions).collect();
    counts.sort_unstable();
    let failed = said.lines().filter_map(|line| line.strip_prefix("fuzz: "));
    let failed: Vec<&str> = failed.filter(|line| line.ends_with("FAILED")).collect();
    let each: Vec<String> = counts
        .iter()
        .map(|(target, count)| format!("`{target}` {}", thousands(*count)))
        .collect();
    let figures = format!(
        "{} targets without a finding, {} executions ({})",
        counts.len(),
        thousands(counts.iter().map(|(_, count)| count).sum()),
        each.join(", ")
    );
    let problem = match failed.is_empty() {
        true => ended.err(),
        false => Some(failed.join(", ")),
    };
    told(figures, problem)
}

/// A line of fuzz/run.sh on a target that found nothing: its name, and how often it ran.
fn executions(line: &str) -> Option<(&str, u64)> {
    let (target, rest) = line.strip_prefix("fuzz: ")?.split_once(':')?;
    let (_, count) = rest.split_once("stat::number_of_executed_units:")?;
    Some((target, count.split_whitespace().next()?.parse().ok()?))
}

async fn simulation() -> Ended {
    let words = [
        "cargo",
        "test",
        "--release",
        "--package=outrider-tests",
        "--test=simulation",
        "--",
        "--nocapture",
    ];
    let seeds = [("OUTRIDER_SEEDS", "10000"), ("OUTRIDER_TLS_SEEDS", "300")];
    let (ended, said) = program(&words, &seeds).await;
    let figures = said
        .lines()
        .filter_map(|line| line.split_once("simulation: "));
    let figures: Vec<&str> = figures.map(|(_, figures)| figures).collect();
    told(figures.join("; "), ended.err())
}

/// Ten minutes of each server.
const AGING: Duration = Duration::from_secs(600);

async fn aging_servers() -> Ended {
    let both = Aging::ALL.map(|peer| tokio::spawn(aging_server(peer)));
    let mut ended = Vec::new();
    for one in both {
        let panicked = |panic: tokio::task::JoinError| Ended::failed(panic.to_string());
        ended.push(one.await.unwrap_or_else(panicked));
    }
    Ended::all(ended)
}

async fn aging_server(peer: Aging) -> Ended {
    if let Some(missing) = peer.missing() {
        return Ended::failed(format!("{}: no {}", peer.name(), missing.display()));
    }
    let server = Server::start(peer).await;
    let report = aging::run(&server, AGING).await;
    let failures: u64 = report.failures.values().sum();
    let figures = format!(
        "{}: {} unary calls in {} s, {failures} failed, {} connections between the sidecars replaced",
        peer.name(),
        thousands(report.calls),
        AGING.as_secs(),
        thousands(report.replaced),
    );
    told(figures, report.complaint(AGING))
}

/// Calls over one connection of the caller, for each way.
const CALLS: usize = 1_000_000;

async fn cancellation() -> Ended {
    let mut ended = Vec::new();
    for hops in Hops::ALL {
        let tally = timeout(cancelling::patience(CALLS), cancelling::run(hops, CALLS)).await;
        let tally = tally.unwrap_or_else(|_| Err("it did not end".to_owned()));
        eprintln!("{hops:?}: {tally:?}");
        let way = match hops {
            Hops::One => "one sidecar",
            Hops::Pair => "two sidecars",
        };
        ended.push(match tally {
            Ok(tally) => told(format!("through {way}: {}", figures(&tally)), None),
            Err(why) => Ended::failed(format!("through {way}: {why}")),
        });
    }
    Ended::all(ended)
}

fn figures(tally: &Tally) -> String {
    format!(
        "{} calls on one connection, {} answered, {} cancelled in bursts of {}, {} past their deadline, \
         connections to the application: {}",
        thousands(CALLS as u64),
        thousands(tally.answered as u64),
        thousands(tally.cancelled as u64),
        cancelling::BURST,
        thousands(tally.late as u64),
        tally.application_connections
    )
}

fn told(figures: String, problem: Option<String>) -> Ended {
    match problem {
        None => Ended {
            holds: true,
            figures,
        },
        Some(problem) => Ended::failed(format!("{problem}; {figures}")),
    }
}

/// Runs a program in the root of the repository: how it ended, and what it said, which is said on.
async fn program(words: &[&str], variables: &[(&str, &str)]) -> (Result<(), String>, String) {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).envs(variables.iter().copied());
    // What was skipped has not passed.
    command.env("OUTRIDER_REQUIRE_TOOLS", "1");
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut said = String::new();
    let ended = async {
        let mut child = command.spawn()?;
        let mut lines = child.stdout.take().map(|out| BufReader::new(out).lines());
        while let Some(lines) = &mut lines
            && let Some(line) = lines.next_line().await?
        {
            eprintln!("{line}");
            said.push_str(&line);
            said.push('\n');
        }
        child.wait().await
    };
    let ended = match ended.await {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{}: {status}", words[0])),
        Err(error) => Err(format!("{}: {error}", words[0])),
    };
    (ended, said)
}

/// `1234567` as `1,234,567`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_are_read_from_what_the_fuzzer_says() {
        let line = "fuzz: path: DONE   cov: 91 ft: 5 stat::number_of_executed_units: 8234 ";
        assert_eq!(executions(line), Some(("path", 8_234)));
        assert_eq!(executions("fuzz: path FAILED"), None);
    }

    #[test]
    fn numbers_have_commas() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(thousands(number), text);
        }
    }

    #[test]
    fn one_part_that_fails_fails_all() {
        let parts = [told("a".to_owned(), None), Ended::failed("b".to_owned())];
        let all = Ended::all(parts);
        assert_eq!((all.holds, all.figures.as_str()), (false, "a; b"));
    }
}
