//! docs/STOCK.md: rows as people read them, a table for each load.

use std::fmt::Write;
use std::time::Duration;

use super::{Outcome, Row};

/// Rows that failed.
pub fn failed(rows: &[Row]) -> usize {
    let failed = rows
        .iter()
        .filter(|row| matches!(row.outcome, Outcome::Failed(_)));
    failed.count()
}

/// Rows that were the same both ways.
pub fn carried(rows: &[Row]) -> usize {
    rows.iter()
        .filter(|row| row.outcome == Outcome::Same)
        .count()
}

/// A line for each row that did not pass.
pub fn reasons(rows: &[Row]) -> String {
    let line = |row: &Row| {
        let (kind, why) = match &row.outcome {
            Outcome::Same => return None,
            Outcome::NotOffered(why) => ("-", why),
            Outcome::Failed(why) => ("FAIL", why),
        };
        let why: Vec<&str> = why.split_whitespace().collect();
        let why: String = why.join(" ").replace('`', "'").chars().take(400).collect();
        let (client, server) = (row.client, row.server);
        Some(format!(
            "- `{kind}` {}, {client} to {server}: `{why}`\n",
            row.load
        ))
    };
    rows.iter().filter_map(line).collect()
}

/// A table for each load: clients down, servers across, with the seconds of both ways.
pub fn tables(rows: &[Row]) -> String {
    let mut text = String::new();
    let mut loads: Vec<&str> = Vec::new();
    for row in rows {
        if !loads.contains(&row.load.as_str()) {
            loads.push(&row.load);
        }
    }
    for load in loads {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.load == load).collect();
        table(&mut text, load, &rows).expect("a string takes all");
    }
    text
}

fn table(text: &mut String, load: &str, rows: &[&Row]) -> std::fmt::Result {
    let mut clients: Vec<_> = rows.iter().map(|row| row.client).collect();
    let mut servers: Vec<_> = rows.iter().map(|row| row.server).collect();
    for peers in [&mut clients, &mut servers] {
        peers.sort_unstable();
        peers.dedup();
    }
    write!(text, "### {load}\n\n| client |")?;
    for server in &servers {
        write!(text, " {} |", server)?;
    }
    writeln!(text, "\n|---|{}", "---|".repeat(servers.len()))?;
    for client in clients {
        write!(text, "| {} |", client)?;
        for server in &servers {
            let row = rows
                .iter()
                .find(|row| row.client == client && row.server == *server);
            write!(text, " {} |", row.map_or(String::new(), |row| cell(row)))?;
        }
        writeln!(text)?;
    }
    writeln!(text)
}

fn cell(row: &Row) -> String {
    let [direct, through] = row.took.map(seconds);
    match row.outcome {
        Outcome::Same => format!("{direct} / {through}"),
        Outcome::NotOffered(_) => "-".to_owned(),
        Outcome::Failed(_) => "FAIL".to_owned(),
    }
}

fn seconds(took: Duration) -> String {
    format!("{:.2}", took.as_secs_f64())
}
