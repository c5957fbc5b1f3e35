//! Rows as people read them: a table for each client, with the servers across.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Case, Outcome, Peer, Row, case};

/// How many rows ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Passed through the pair.
    pub passed: usize,
    /// Fail without sidecars too.
    pub not_offered: usize,
    /// Fail only through the pair.
    pub failed: usize,
}

/// Counts `rows` by outcome.
pub fn count(rows: &[Row]) -> Counts {
    let mut counts = Counts::default();
    for row in rows {
        match row.outcome {
            Outcome::Passed => counts.passed += 1,
            Outcome::NotOffered(_) => counts.not_offered += 1,
            Outcome::Failed(_) => counts.failed += 1,
        }
    }
    counts
}

/// A Markdown table for each client.
pub fn tables(rows: &[Row]) -> String {
    let mut text = String::new();
    for client in Peer::ALL {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.client == client).collect();
        if !rows.is_empty() {
            table(&mut text, client, &rows).expect("a string takes all");
        }
    }
    text
}

fn table(text: &mut String, client: Peer, rows: &[&Row]) -> std::fmt::Result {
    let mut servers: Vec<Peer> = rows.iter().map(|row| row.server).collect();
    servers.sort_unstable();
    servers.dedup();
    writeln!(text, "### {} as the client\n", client.name())?;
    write!(text, "| case |")?;
    for server in &servers {
        write!(text, " {} |", server.name())?;
    }
    writeln!(text, "\n|---|{}", "---|".repeat(servers.len()))?;
    for case in case::GRPC.into_iter().chain(case::OURS) {
        let cells: Vec<&str> = servers
            .iter()
            .map(|server| cell(rows, *server, case))
            .collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            writeln!(text, "| {} | {} |", case.0, cells.join(" | "))?;
        }
    }
    writeln!(text)
}

fn cell(rows: &[&Row], server: Peer, case: Case) -> &'static str {
    let row = rows
        .iter()
        .find(|row| row.server == server && row.case == case);
    match row.map(|row| &row.outcome) {
        Some(Outcome::Passed) => "pass",
        Some(Outcome::NotOffered(_)) => "-",
        Some(Outcome::Failed(_)) => "FAIL",
        None => "",
    }
}

/// Longest piece of what a program said. Characters; more is a stack.
const REASON_MAX: usize = 120;

/// A line for each server and case that did not pass, with what the first client said.
pub fn reasons(rows: &[Row]) -> String {
    let mut known = BTreeMap::new();
    for row in rows {
        let (kind, reason) = match &row.outcome {
            Outcome::Passed => continue,
            Outcome::NotOffered(reason) => ("-", reason),
            Outcome::Failed(reason) => ("FAIL", reason),
        };
        let told = (row.client, reason);
        known.entry((kind, row.server, row.case)).or_insert(told);
    }
    let line = |((kind, server, case), (client, reason)): ((&str, Peer, Case), (Peer, &String))| {
        let reason: String = reason.chars().take(REASON_MAX).collect();
        format!(
            "- `{kind}` {} with {}: {} says `{}`\n",
            case.0,
            server.name(),
            client.name(),
            reason.replace('`', "'"),
        )
    };
    known.into_iter().map(line).collect()
}
