//! Prints figures of a whole mesh, one line of JSON each: `mesh [FIGURE [SIZE]]...`.
//!
//! `apply CHANGES`, `kill ROUNDS`, `outage SECONDS`, `certificates SECONDS`, `start ROUNDS`,
//! `first-answer ROUNDS`, `services COUNT`, `balance SECONDS`; without arguments all of them, as long as the
//! promise says.

use std::process::ExitCode;
use std::time::Duration;

use outrider_bench::mesh::figures;

const ALL: [(&str, usize); 8] = [
    ("start", 20),
    ("first-answer", 20),
    ("apply", 100),
    ("kill", 5),
    ("services", 10_000),
    ("balance", 30),
    ("outage", 60),
    ("certificates", 600),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let asked: Vec<(&str, usize)> = match words.as_slice() {
        [] => ALL.to_vec(),
        words => words.chunks(2).map(asked).collect(),
    };
    for (figure, size) in asked {
        if let Err(error) = print(figure, size).await {
            eprintln!("mesh: {figure}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn asked(words: &[String]) -> (&str, usize) {
    let figure = words[0].as_str();
    let usual = ALL.iter().find(|(name, _)| *name == figure);
    let size = words.get(1).and_then(|word| word.parse().ok());
    (figure, size.or(usual.map(|(_, size)| *size)).unwrap_or(1))
}

async fn print(figure: &str, size: usize) -> std::io::Result<()> {
    let seconds = Duration::from_secs(size as u64);
    let line = match figure {
        "apply" => figures::apply(size).await?,
        "kill" => figures::kill(size).await?,
        "outage" => figures::outage(seconds).await?,
        "balance" => outrider_bench::mesh::balance::table(seconds).await?,
        "services" => outrider_bench::mesh::services(size).await?,
        "certificates" => figures::certificates(60, seconds).await?,
        "start" => figures::start(size).await?,
        "first-answer" => figures::first_answer(size).await?,
        _ => return Err(std::io::Error::other("no such figure")),
    };
    println!("{line}");
    Ok(())
}
