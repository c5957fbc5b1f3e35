//! What each soak runs, and the figures it comes back with.

use std::fs;
use std::time::Duration;

use super::cancels;
use super::program::run as program;
use crate::Hops;
use crate::aging::{self, Aging, Server};

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
    let (ended, said) = program(&["tests/fuzz/run.sh", "600"], &[]).await;
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
    let targets = fs::read_dir(TARGETS).map_or(0, Iterator::count);
    let problem = match failed.is_empty() {
        true => ended.err().or_else(|| too_few(counts.len(), targets)),
        false => Some(failed.join(", ")),
    };
    told(figures, problem)
}

/// One file for each target.
const TARGETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/fuzz_targets");

/// What did not run has not passed.
fn too_few(ran: usize, targets: usize) -> Option<String> {
    (ran == 0 || ran != targets).then(|| format!("{ran} of {targets} targets ran"))
}

/// A line of tests/fuzz/run.sh on a target that found nothing: its name, and how often it ran.
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
    let nothing = figures.is_empty().then(|| "it told no figures".to_owned());
    told(figures.join("; "), ended.err().or(nothing))
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

async fn cancellation() -> Ended {
    let mut ended = Vec::new();
    for hops in Hops::ALL {
        ended.push(match cancels::through(hops, 1_000_000).await {
            Ok(figures) => told(figures, None),
            Err(why) => Ended::failed(why),
        });
    }
    Ended::all(ended)
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
    fn targets_that_did_not_run_have_not_passed() {
        assert_eq!(too_few(14, 14), None);
        assert!(too_few(13, 14).is_some());
        assert!(too_few(0, 0).is_some(), "no target was found");
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
