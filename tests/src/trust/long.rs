//! The soaks, as one command: what takes longer than anybody waits for, and the table of how each
//! ended last.

use tokio::time::Instant;

use super::conditions;
use super::options::Options;
use super::page::{self, Part};
use super::soaks::{Ended, Soak};

/// Runs the soaks that are asked for, one after the other, and says how each ended. With `--write`
/// each takes its line of the table when it has ended; the lines of others stay.
///
/// # Errors
/// None is called so, or the table cannot be written.
pub async fn run(options: &Options) -> Result<bool, String> {
    let wanted: Vec<Soak> = Soak::ALL
        .into_iter()
        .filter(|soak| options.wants(soak.name()))
        .collect();
    if wanted.is_empty() {
        let names = Soak::ALL.map(Soak::name).join("; ");
        return Err(format!("no soak is called so; there are: {names}"));
    }
    let mut holds = true;
    for soak in wanted {
        eprintln!("=== {}", soak.name());
        let (conditions, began) = (conditions::now(), Instant::now());
        // What panics has failed.
        let ended = tokio::spawn(soak.run()).await;
        let ended = ended.unwrap_or_else(|panic| Ended::failed(panic.to_string()));
        let line = line(soak, &ended, began.elapsed().as_secs_f64(), &conditions);
        println!("{line}");
        holds &= ended.holds;
        if options.write {
            page::rewrite(Part::Soaks, |old| table(old, soak, &line))?;
        }
    }
    Ok(holds)
}

/// A soak's line of the table.
fn line(soak: Soak, ended: &Ended, seconds: f64, conditions: &str) -> String {
    let word = match ended.holds {
        true => "passed",
        false => "**FAILED**",
    };
    let figures = ended.figures.replace('|', "/").replace('\n', " ");
    format!(
        "{}{word} after {:.1} min: {figures} | {conditions} |",
        start(soak),
        seconds / 60.0
    )
}

/// What the line of a soak begins with.
fn start(soak: Soak) -> String {
    format!("| {} | ", soak.name())
}

/// The table with `line` for `soak`, and all other soaks as they are in `old`.
fn table(old: &str, soak: Soak, line: &str) -> String {
    let mut table = "| soak | its last run | begun |\n|---|---|---|\n".to_owned();
    for known in Soak::ALL {
        let mut lines = old.lines().filter(|line| line.starts_with(&start(known)));
        let kept = match known == soak {
            true => Some(line),
            false => lines.next(),
        };
        let never = format!("{}not run yet | |", start(known));
        table.push_str(kept.unwrap_or(&never));
        table.push('\n');
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_soak_takes_its_own_line_only() {
        let ended = |figures: &str| Ended {
            holds: true,
            figures: figures.to_owned(),
        };
        let line = |soak, figures| line(soak, &ended(figures), 90.0, "today");
        let first = table("Not run yet.", Soak::Aging, &line(Soak::Aging, "1"));
        let second = table(&first, Soak::Fuzzing, &line(Soak::Fuzzing, "2"));
        let third = table(&second, Soak::Aging, &line(Soak::Aging, "3|4\n5"));
        let lines: Vec<&str> = third.lines().skip(2).collect();
        let name = |soak: Soak| soak.name();
        assert_eq!(
            lines,
            [
                format!(
                    "| {} | passed after 1.5 min: 2 | today |",
                    name(Soak::Fuzzing)
                ),
                format!("| {} | not run yet | |", name(Soak::Simulation)),
                format!(
                    "| {} | passed after 1.5 min: 3/4 5 | today |",
                    name(Soak::Aging)
                ),
                format!("| {} | not run yet | |", name(Soak::Cancellation)),
            ]
        );
    }
}
