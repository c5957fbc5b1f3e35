//! Who gets how much, with real processes: equal backends behind a sidecar, one that was slow or failed
//! once, and one that is slow. What each is asked for is in the sidecar's access log.
//!
//! The figures in virtual time are those of `shared/policy/src/balance/simulation/shares.rs`.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::balanced::{Backends, Load, Once, Scene};
use super::looks::Looks;

/// What an answer takes. Milliseconds.
const USUAL_MS: u64 = 2;

/// Times that a backend is slow or fails once.
const ROUNDS: usize = 3;

/// All scenes, each with `look` for a look, each printed as it ends. Those with few calls run at the same
/// time; those with 1,000 a second one after the other, with a third of it.
///
/// # Errors
/// A process does not do its work.
pub async fn table(look: Duration) -> io::Result<Value> {
    let mut scenes = Vec::new();
    let mut running = JoinSet::new();
    for rate in [5, 50] {
        for scene in at(rate) {
            running.spawn(row(scene, look));
        }
    }
    while let Some(ended) = running.join_next().await {
        scenes.push(ended.map_err(io::Error::other)??);
    }
    for scene in at(1_000) {
        scenes.push(row(scene, look / 3).await?);
    }
    Ok(json!({ "figure": "balance", "scenes": scenes }))
}

/// The scenes of so many calls a second.
fn at(rate: u32) -> impl Iterator<Item = Scene> {
    let loads = [Load::Open, Load::Closed].into_iter();
    loads.flat_map(move |load| {
        [2, 3, 10].map(|backends| Scene {
            load,
            rate,
            backends,
        })
    })
}

/// One scene from its start to its end.
async fn row(scene: Scene, look: Duration) -> io::Result<Value> {
    let mut backends = Backends::start(scene).await?;
    for index in 0..scene.backends {
        usual(&mut backends, index, USUAL_MS).await?;
    }
    let equal = backends.run(look).await?;
    let slow_once = after(&mut backends, Once::Slow).await?;
    let failed_once = after(&mut backends, Once::Fail).await?;
    let three_times = match scene.backends {
        10 => Some(three_times_slower(&mut backends, look).await?),
        _ => None,
    };
    usual(&mut backends, 0, 10 * USUAL_MS).await?;
    backends.run(look).await?;
    let slow = backends.run(2 * look).await?;
    let row = json!({
        "calls_a_second": scene.rate, "load": scene.load.name(), "backends": scene.backends,
        "equal": equal.windows(), "share_after_slow_answer": slow_once,
        "share_after_failure": failed_once, "share_of_ten_times_slower": rounded(slow.share(0)),
        "p99_ms_equal": equal.p99_ms(), "p99_ms_one_three_times_slower": three_times,
    });
    eprintln!("{row}");
    Ok(row)
}

async fn usual(backends: &mut Backends, index: usize, millis: u64) -> io::Result<()> {
    backends.tell(index, &format!("usual {millis}")).await
}

/// The second backend is slow or fails once: its least share of the 5 s that begin 3 s later.
async fn after(backends: &mut Backends, once: Once) -> io::Result<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..ROUNDS {
        backends.tell(1, once.line()).await?;
        // Until it is called, it has answered, 3 s pass, and 5 s are looked at.
        let length = 3 * backends.scene.turn() + Duration::from_secs(9);
        let looks: Looks = backends.run(length).await?;
        least = least.min(looks.share_after(1, once)?);
    }
    Ok(rounded(least))
}

async fn three_times_slower(backends: &mut Backends, look: Duration) -> io::Result<f64> {
    usual(backends, 3, 3 * USUAL_MS).await?;
    backends.run(look).await?;
    let looks = backends.run(2 * look).await?;
    usual(backends, 3, USUAL_MS).await?;
    Ok(looks.p99_ms())
}

/// To the hundredth.
pub(super) fn rounded(number: f64) -> f64 {
    (100.0 * number).round() / 100.0
}
