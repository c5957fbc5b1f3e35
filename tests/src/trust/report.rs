//! The table, ours beside the others'.

use std::fmt::Write;
use std::time::Duration;

use super::conditions;
use super::conformance::Line;
use super::servers::Endured;
use super::suite::{self, Column, promises};
use crate::hostile::backends;
use crate::hostile::ground::Trial;

/// Everything measured, as Markdown.
pub fn text(columns: &[Column], lines: &[Line]) -> String {
    let mut text = format!(
        "Measured on {} shared by attacker, proxy, backend and the others.\n\n",
        conditions::now()
    );
    for line in lines {
        text.push_str(&format!("- {}\n", line.line));
    }
    let size = crate::hostile::size(&suite::all());
    text.push_str(&format!(
        "- hostile clients and requests: {size}, each class against a fresh process\n- hostile backends: {} \
         forms, each behind a fresh process\n\n",
        backends::all().len()
    ));
    table(&mut text, columns).expect("a string takes all");
    failures(&mut text, columns);
    text
}

/// How hostile backends got through to callers, in words.
fn failures(text: &mut String, columns: &[Column]) {
    for column in columns {
        if !column.servers.broken.is_empty() {
            let broken = column.servers.broken.join("; ");
            text.push_str(&format!("\n{}, hostile backends: {broken}.\n", column.name));
        }
    }
}

fn table(text: &mut String, columns: &[Column]) -> std::fmt::Result {
    write!(text, "| class |")?;
    for column in columns {
        write!(text, " {} |", column.name)?;
    }
    writeln!(text, "\n|---|{}", "---|".repeat(columns.len()))?;
    for (row, (name, _)) in columns[0].trials.iter().enumerate() {
        write!(text, "| `{name}` |")?;
        for column in columns {
            write!(text, " {} |", cell(&column.trials[row].1))?;
        }
        writeln!(text)?;
    }
    write!(text, "| hostile backends |")?;
    for column in columns {
        write!(text, " {} |", servers_cell(&column.servers))?;
    }
    write!(text, "\n| **all** |")?;
    for column in columns {
        write!(text, " {} |", summary(column))?;
    }
    writeln!(text)
}

/// `5/5, +1.2/+0.1 MiB, p99 3.0 ms, fresh 2 ms`; what breaks a promise of ours is bold.
fn cell(trial: &Result<Trial, String>) -> String {
    let trial = match trial {
        Ok(trial) => trial,
        Err(why) => return format!("**{why}**"),
    };
    if !trial.lives {
        return "**the process ended**".to_owned();
    }
    let p99 = trial.felt.p99().as_secs_f64() * 1e3;
    let mut cells = vec![
        format!("{}/{}", trial.forms - trial.broken.len(), trial.forms),
        format!(
            "+{:.1}/+{:.1} MiB",
            mib(trial.growth_at_peak),
            mib(trial.growth_after)
        ),
        format!("p99 {p99:.1} ms"),
        match &trial.fresh {
            Ok(took) => format!("fresh {:.0} ms", took.as_secs_f64() * 1e3),
            Err(_) => "fresh not served".to_owned(),
        },
    ];
    if !trial.felt.failures.is_empty() {
        cells.push(format!("{} failures of others", trial.felt.failures.len()));
    }
    let text = cells.join(", ");
    match promises(trial).is_empty() {
        true => text,
        false => format!("**{text}**"),
    }
}

/// Callers that got a status in time and no success, and whom a good backend served again.
fn servers_cell(endured: &Endured) -> String {
    format!(
        "{}/{}, slowest status {:.0} ms, good again after {:.0} ms",
        endured.forms - endured.broken.len(),
        endured.forms,
        endured.slowest.as_secs_f64() * 1e3,
        endured.recovered.as_secs_f64() * 1e3
    )
}

fn summary(column: &Column) -> String {
    let trials: Vec<&Trial> = column
        .trials
        .iter()
        .filter_map(|(_, trial)| trial.as_ref().ok())
        .collect();
    let forms: usize = trials.iter().map(|trial| trial.forms).sum();
    let broken: usize = trials.iter().map(|trial| trial.broken.len()).sum();
    let lives = trials.iter().filter(|trial| trial.lives).count();
    let most = |of: fn(&Trial) -> u64| trials.iter().map(|trial| of(trial)).max().unwrap_or(0);
    let slowest = |of: fn(&Trial) -> Duration| {
        let times = trials.iter().map(|trial| of(trial));
        times.max().unwrap_or_default().as_secs_f64() * 1e3
    };
    let failures: usize = trials.iter().map(|trial| trial.felt.failures.len()).sum();
    format!(
        "lives {lives}/{}, {}/{forms} forms as we expect, +{:.1}/+{:.1} MiB, worst p99 {:.1} ms, worst \
         fresh {:.0} ms, {failures} failures of others",
        column.trials.len(),
        forms - broken,
        mib(most(|trial| trial.growth_at_peak)),
        mib(most(|trial| trial.growth_after)),
        slowest(|trial| trial.felt.p99()),
        slowest(|trial| trial.fresh.clone().unwrap_or_default()),
    )
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
