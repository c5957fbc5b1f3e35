//! Legitimate cancellation: a line of the report, and a soak.

use tokio::time::timeout;

use super::conformance::Line;
use super::options::Options;
use crate::Hops;
use crate::cancelling::{patience, run as calls};

/// What `--only` calls it.
pub const CANCELLATION: &str = "legitimate_cancellation";
/// Calls of each way; the soak makes a million.
const CALLS: usize = 10_000;

/// Legitimate cancellation never ends a connection, through one sidecar and through two.
pub async fn run(options: &Options) -> Line {
    if !options.wants(CANCELLATION) {
        return Line::left_out("legitimate cancellation: not run");
    }
    let (mut ways, mut holds) = (Vec::new(), true);
    for hops in Hops::ALL {
        let way = through(hops, CALLS).await;
        holds &= way.is_ok();
        ways.push(way.unwrap_or_else(|why| format!("**{why}**")));
    }
    Line {
        line: format!("legitimate cancellation: {}", ways.join("; ")),
        holds,
    }
}

/// Makes so many calls through sidecars in this process: the figures.
///
/// # Errors
/// How the promise was broken.
pub async fn through(hops: Hops, count: usize) -> Result<String, String> {
    let way = match hops {
        Hops::One => "through one sidecar",
        Hops::Pair => "through two sidecars",
    };
    let ended = timeout(patience(count), calls(hops, count)).await;
    let ended = ended.unwrap_or_else(|_| Err("it did not end".to_owned()));
    eprintln!("{way}: {ended:?}");
    match ended {
        Ok(tally) => Ok(format!("{way} {tally}")),
        Err(why) => Err(format!("{way}: {why}")),
    }
}
