//! The trust command: hostile peers, conformance and interop against our sidecar, and the hostile
//! peers against the proxies of others that are on this machine. `docs/TRUST.md` is what it writes.

mod cancels;
mod conditions;
mod conformance;
mod long;
mod members;
mod options;
mod page;
mod peers;
mod program;
mod report;
mod servers;
mod sidecar;
mod soaks;
mod stalls;
mod suite;
mod vectors;

use std::process::ExitCode;

use options::Options;
use page::Part;

/// Reads the command line and does what it says. 1: we broke a promise, or a program
/// that one is tried with is missing; 2: nothing could be tried.
pub fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "sidecar") {
        return sidecar::run(&words[1..]);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let outcome = match (runtime, Options::parse(&words)) {
        (Ok(runtime), Ok(options)) => runtime.block_on(run(options)),
        (Err(error), _) => Err(error.to_string()),
        (_, Err(usage)) => Err(usage),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("trust: {why}");
            ExitCode::from(2)
        }
    }
}

async fn run(options: Options) -> Result<bool, String> {
    if options.long {
        return long::run(&options).await;
    }
    if !suite::is_known(&options) {
        return Err("nothing is called so; docs/TRUST.md has the names of the classes".to_owned());
    }
    let ours = suite::ours(&options).await?;
    let conformance = conformance::run(&options).await?;
    let interop = conformance::interop(&options).await;
    let vectors = vectors::run(&options).await;
    let members = members::run(&options).await;
    let stalls = stalls::run(&options).await;
    let cancels = cancels::run(&options).await;
    let mut columns = vec![ours];
    let (found, absent) = peers::found(&options);
    for peer in found {
        columns.push(suite::of_others(&options, &peer).await);
    }
    let mut lines = vec![conformance, vectors, interop, members, stalls, cancels];
    lines.extend(peers::absence(&absent));
    let text = report::text(&columns, &lines);
    println!("{text}");
    if options.write {
        page::rewrite(Part::Measured, |_| text)?;
    }
    let broken = columns[0].broken();
    for promise in &broken {
        eprintln!("broken: {promise}");
    }
    let told = lines.iter().filter(|line| !line.holds);
    let told: Vec<&str> = told.map(|line| line.line.as_str()).collect();
    for line in &told {
        eprintln!("broken, or not run: {line}");
    }
    Ok(broken.is_empty() && told.is_empty())
}
