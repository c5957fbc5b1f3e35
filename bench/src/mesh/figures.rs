//! The figures: each starts a mesh of its own, does one thing to it, and returns what it saw.

use std::time::Duration;
use std::{fs, io};

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::load::{Client, steady};
use super::world::{Setup, World, route_to};

const USUAL: Setup = Setup {
    services: 1,
    instances: 2,
    callers: 1,
    certificate_life_s: 86_400,
};
/// 200 calls a second.
const CALL_EVERY: Duration = Duration::from_millis(5);
/// Nothing that is waited for takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// From the start of `outrider apply` to the first call on the new route, at each of 10 sidecars,
/// each of which calls all the time; `rounds` changes.
///
/// # Errors
/// A process does not do its work.
pub async fn apply(rounds: usize) -> io::Result<Value> {
    let setup = Setup {
        services: 2,
        instances: 1,
        callers: 10,
        ..USUAL
    };
    let world = World::start(setup).await?;
    world.apply("route", &route_to(1)).await?;
    let (served, _) = watch::channel(());
    let mut probes = Vec::new();
    for caller in &world.callers {
        probes.push(Probe::start(caller.ready.outbound, served.subscribe()));
    }
    for probe in &mut probes {
        probe.first("inventory-1").await?;
    }
    let (mut from_start, mut from_answer) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let target = 2 - round % 2;
        let start = Instant::now();
        world.apply("route", &route_to(target)).await?;
        let answered = Instant::now();
        for probe in &mut probes {
            let seen = probe.first(&super::world::service(target)).await?;
            from_start.push(seen.saturating_duration_since(start));
            from_answer.push(seen.saturating_duration_since(answered));
        }
    }
    Ok(json!({
        "figure": "apply", "sidecars": 10, "changes": rounds,
        "from_command_ms": quantiles(from_start),
        "from_acknowledgement_ms": quantiles(from_answer),
    }))
}

/// A caller that calls without a pause and knows since when it is answered by whom.
struct Probe {
    answers: watch::Receiver<(String, Instant)>,
}

impl Probe {
    /// Ends with `life`.
    fn start(entry: std::net::SocketAddr, mut life: watch::Receiver<()>) -> Probe {
        let (tell, answers) = watch::channel((String::new(), Instant::now()));
        tokio::spawn(async move {
            let mut client = Client::new(entry);
            let calling = async {
                loop {
                    let sent = Instant::now();
                    if let Ok(by) = client.look().await {
                        let news = |last: &mut (String, Instant)| {
                            let changed = last.0 != by;
                            if changed {
                                *last = (by, sent);
                            }
                            changed
                        };
                        tell.send_if_modified(news);
                    }
                    sleep(Duration::from_millis(1)).await;
                }
            };
            tokio::select! {
                () = calling => {}
                _ = life.changed() => {}
            }
        });
        Probe { answers }
    }

    /// When the first call was sent that `service` answered.
    async fn first(&mut self, service: &str) -> io::Result<Instant> {
        let found = timeout(PATIENCE, self.answers.wait_for(|(by, _)| by == service)).await;
        let found = found.map_err(|_| io::Error::other(format!("never answered by {service}")))?;
        found.map(|answer| answer.1).map_err(io::Error::other)
    }
}

/// kill -9 of an instance (application and sidecar): until the last call that was sent to it,
/// under load, and until the caller's sidecar has forgotten it, without any.
///
/// # Errors
/// A process does not do its work.
pub async fn kill(rounds: usize) -> io::Result<Value> {
    let (mut with, mut without, mut failed) = (Vec::new(), Vec::new(), 0);
    for _ in 0..rounds {
        let (last, lost) = kill_under_load().await?;
        with.push(last);
        failed += lost;
        without.push(kill_in_silence().await?);
    }
    Ok(json!({
        "figure": "kill", "rounds": rounds, "failed_calls": failed,
        "last_call_under_load_ms": quantiles(with),
        "forgotten_without_load_ms": quantiles(without),
    }))
}

async fn kill_under_load() -> io::Result<(Duration, u64)> {
    let mut world = World::start(USUAL).await?;
    let caller = &world.callers[0];
    let (entry, log) = (caller.ready.outbound, world.access_log(&caller.name));
    let second = Duration::from_secs(1);
    let load = steady(entry, CALL_EVERY, sleep(9 * second));
    let killing = async {
        sleep(second).await;
        let at = unix_seconds();
        let instance = &mut world.instances[0];
        let (first, second) = tokio::join!(instance.application.kill(), instance.sidecar.kill());
        first.and(second).map(|()| at)
    };
    let (tally, killed) = tokio::join!(load, killing);
    let last = last_repeated(&fs::read_to_string(log)?, killed?);
    Ok((last, tally.failed))
}

/// Among the lines of an access log, the last call that was tried again: its first attempt went, or
/// was about to go, to the dead instance, as nothing else fails here.
fn last_repeated(log: &str, killed: f64) -> Duration {
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let repeated = lines.filter(|line| line["retries"].as_u64() > Some(0));
    let times = repeated.filter_map(|line| line["time"].as_f64());
    let last = times.fold(killed, f64::max);
    Duration::from_secs_f64(last - killed)
}

async fn kill_in_silence() -> io::Result<Duration> {
    let mut world = World::start(USUAL).await?;
    let ready = world.callers[0].ready;
    // One call, so that the sidecar knows the service.
    Client::new(ready.outbound)
        .look()
        .await
        .map_err(io::Error::other)?;
    let dead = world.instances[0].inbound;
    until_listed(ready.admin, dead, true).await?;
    let instance = &mut world.instances[0];
    instance.application.kill().await?;
    instance.sidecar.kill().await?;
    let killed = Instant::now();
    until_listed(ready.admin, dead, false).await?;
    Ok(killed.elapsed())
}

/// Asks the sidecar until its endpoints do, or do not, have `endpoint` among them.
async fn until_listed(
    admin: std::net::SocketAddr,
    endpoint: std::net::SocketAddr,
    listed: bool,
) -> io::Result<()> {
    let end = Instant::now() + PATIENCE;
    let needle = format!("\"{endpoint}\"");
    while Instant::now() < end {
        if super::page::get(admin, "/clusters")
            .await?
            .contains(&needle)
            == listed
        {
            return Ok(());
        }
        sleep(Duration::from_millis(20)).await;
    }
    Err(io::Error::other(format!(
        "{endpoint} is still (or not yet) known"
    )))
}

/// The control plane is killed with -9 under load and is back after `away`.
///
/// # Errors
/// A process does not do its work.
pub async fn outage(away: Duration) -> io::Result<Value> {
    let mut world = World::start(USUAL).await?;
    let entry = world.callers[0].ready.outbound;
    let (around, start) = (Duration::from_secs(5), Instant::now());
    let load = steady(entry, CALL_EVERY, sleep(away + 2 * around));
    let outage = async {
        sleep_until(start + around).await;
        world.control_plane.kill().await?;
        sleep_until(start + around + away).await;
        world.start_control_plane().await
    };
    let (tally, outcome) = tokio::join!(load, outage);
    outcome?;
    Ok(json!({ "figure": "outage", "away_s": away.as_secs(), "load": tally }))
}

/// Certificates of `life_s` seconds under load for `length`; every 20 s an instance is stopped
/// and started, so that connections are made all the time.
///
/// # Errors
/// A process does not do its work.
pub async fn certificates(life_s: u32, length: Duration) -> io::Result<Value> {
    let setup = Setup {
        certificate_life_s: life_s,
        ..USUAL
    };
    let mut world = World::start(setup).await?;
    let ready = world.callers[0].ready;
    let (end, load) = (
        Instant::now() + length,
        steady(ready.outbound, CALL_EVERY, sleep(length)),
    );
    let restarts = async {
        let mut restarts = 0;
        while Instant::now() + Duration::from_secs(25) < end {
            sleep(Duration::from_secs(20)).await;
            world.restart_instance(restarts % 2).await?;
            restarts += 1;
        }
        Ok::<_, io::Error>(restarts)
    };
    let (tally, restarts) = tokio::join!(load, restarts);
    let metrics = super::page::get(ready.admin, "/metrics").await?;
    let of_identity = |line: &&str| line.starts_with("outrider_identity");
    let lines: Vec<_> = metrics.lines().filter(of_identity).collect();
    Ok(json!({
        "figure": "certificates", "life_s": life_s, "seconds": length.as_secs(),
        "restarts": restarts?, "load": tally, "metrics": lines,
    }))
}

/// A sidecar is killed with -9 and started while there is no control plane: from the start of the
/// process to its ready line, and to the answer of the first call.
///
/// # Errors
/// A process does not do its work.
pub async fn start(rounds: usize) -> io::Result<Value> {
    let mut world = World::start(USUAL).await?;
    let entry = world.callers[0].ready.outbound;
    Client::new(entry).look().await.map_err(io::Error::other)?;
    world.until_stored(&world.callers[0].name).await?;
    world.control_plane.kill().await?;
    let (mut ready, mut answered) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        world.callers[0].sidecar.kill().await?;
        let begin = Instant::now();
        let name = world.callers[0].name.clone();
        let (sidecar, addresses) = world.start_caller(&name).await?;
        ready.push(begin.elapsed());
        let mut client = Client::new(addresses.outbound);
        client.look().await.map_err(io::Error::other)?;
        answered.push(begin.elapsed());
        world.callers[0].sidecar = sidecar;
    }
    Ok(json!({
        "figure": "start", "rounds": rounds,
        "ready_ms": quantiles(ready), "first_answer_ms": quantiles(answered),
    }))
}

/// An application is killed and started again, its sidecar and a caller's stay: from its line that it
/// listens to the answer of a call that waits for it. Every other one is away for longer than the
/// longest time between two questions of its sidecar.
///
/// # Errors
/// A process does not do its work.
pub async fn first_answer(rounds: usize) -> io::Result<Value> {
    let alone = Setup {
        instances: 1,
        ..USUAL
    };
    let mut world = World::start(alone).await?;
    let ready = world.callers[0].ready;
    let mut client = Client::new(ready.outbound);
    client.look().await.map_err(io::Error::other)?;
    let inbound = world.instances[0].inbound;
    let mut answered = Vec::new();
    for round in 0..rounds {
        world.instances[0].application.kill().await?;
        until_listed(ready.admin, inbound, false).await?;
        let away = Duration::from_millis(if round % 2 == 0 { 0 } else { 3_000 });
        sleep(away).await;
        let mut client = client.clone();
        let waits = tokio::spawn(async move { client.look().await.map(|_| Instant::now()) });
        let listens = world.restart_application(0).await?;
        let answer = waits.await.map_err(io::Error::other)?;
        answered.push(
            answer
                .map_err(io::Error::other)?
                .saturating_duration_since(listens),
        );
    }
    Ok(json!({
        "figure": "first-answer", "rounds": rounds, "from_listen_ms": quantiles(answered),
    }))
}

/// Median, 99th percentile and maximum. Milliseconds.
pub(super) fn quantiles(mut spans: Vec<Duration>) -> Value {
    spans.sort();
    let at = |percent: usize| {
        let index = (spans.len() * percent).div_ceil(100).saturating_sub(1);
        spans
            .get(index)
            .map(|span| (span.as_secs_f64() * 10_000.0).round() / 10.0)
    };
    json!({ "p50": at(50), "p99": at(99), "max": at(100), "count": spans.len() })
}

#[expect(
    clippy::disallowed_methods,
    reason = "compared with the times in an access log"
)]
pub(super) fn unix_seconds() -> f64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}
