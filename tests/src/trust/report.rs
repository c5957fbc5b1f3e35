//! The table, ours beside the others'.

use std::fmt::Write;
use std::time::Duration;

use super::conditions;
use super::conformance::Line;
use super::servers::Endured;
use super::suite::{self, Column, promises};
use crate::hostile::backends;
use crate::hostile::ground::{Outside, Trial};

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

/// How hostile backends got through to callers of ours, the first, in words; of others their number
/// says enough.
fn failures(text: &mut String, columns: &[Column]) {
    let ours = columns.iter().take(1);
    for column in ours.filter(|column| !column.servers.broken.is_empty()) {
        let broken = column.servers.broken.join("; ");
        text.push_str(&format!("\n{}, hostile backends: {broken}.\n", column.name));
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
    if !trial.outside.lives {
        return "**the process ended**".to_owned();
    }
    let text = format!(
        "{}/{}, {}",
        trial.forms - trial.broken.len(),
        trial.forms,
        figures(&[&trial.outside])
    );
    match promises(trial).is_empty() {
        true => text,
        false => format!("**{text}**"),
    }
}

/// The worst of each figure.
fn figures(outsides: &[&Outside]) -> String {
    let mib = |of: fn(&Outside) -> u64| {
        let most = outsides.iter().map(|outside| of(outside)).max();
        most.unwrap_or(0) as f64 / f64::from(1 << 20)
    };
    let ms = |of: fn(&Outside) -> Duration| {
        let slowest = outsides.iter().map(|outside| of(outside)).max();
        slowest.unwrap_or_default().as_secs_f64() * 1e3
    };
    let mut text = format!(
        "+{:.1}/+{:.1} MiB, p99 {:.1} ms, fresh {:.0} ms",
        mib(|outside| outside.growth_at_peak),
        mib(|outside| outside.growth_after),
        ms(|outside| outside.felt.p99()),
        ms(|outside| outside.fresh.clone().unwrap_or_default()),
    );
    let failures = outsides.iter().map(|outside| outside.felt.failures.len());
    match failures.sum::<usize>() {
        // A cell is for one class; where many are added up, none is a figure, too.
        0 if outsides.len() == 1 => {}
        count => text.push_str(&format!(", {count} failures of others")),
    }
    let unserved = outsides.iter().filter(|outside| outside.fresh.is_err());
    match unserved.count() {
        0 => {}
        count => text.push_str(&format!(", fresh not served {count} times")),
    }
    text
}

/// Callers that got a status in time and no success, and whom a good backend served again.
fn servers_cell(endured: &Endured) -> String {
    let mut cells = vec![format!(
        "{}/{}",
        endured.forms - endured.broken.len(),
        endured.forms
    )];
    let outsides: Vec<&Outside> = endured.outside.iter().collect();
    if !outsides.is_empty() {
        cells.push(figures(&outsides));
    }
    cells.push(format!(
        "slowest status {:.0} ms, good again after {:.0} ms",
        endured.slowest.as_secs_f64() * 1e3,
        endured.recovered.as_secs_f64() * 1e3
    ));
    cells.join(", ")
}

fn summary(column: &Column) -> String {
    let trials = column.trials.iter();
    let trials: Vec<&Trial> = trials
        .filter_map(|(_, trial)| trial.as_ref().ok())
        .collect();
    let forms: usize = trials.iter().map(|trial| trial.forms).sum();
    let broken: usize = trials.iter().map(|trial| trial.broken.len()).sum();
    let outsides: Vec<&Outside> = trials.iter().map(|trial| &trial.outside).collect();
    let lives = outsides.iter().filter(|outside| outside.lives).count();
    format!(
        "lives {lives}/{}, {}/{forms} forms as we expect, at worst {}",
        column.trials.len(),
        forms - broken,
        figures(&outsides)
    )
}
