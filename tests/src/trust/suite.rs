//! All classes against one proxy, each against a fresh process.

use std::path::Path;
use std::time::Duration;

use super::cancels::CANCELLATION;
use super::members::MEMBERS;
use super::options::Options;
use super::peers::Peer;
use super::servers::{self, Endured};
use super::stalls::STALLED;
use crate::hostile::ground::{
    Backend, Outside, PEAK_BYTES_MAX, Proxy, SERVICE, Trial, fresh_connection,
};
use crate::hostile::{Class, Target, backends, clients, requests};

/// Frames of a flood.
pub const VOLUME: usize = 100_000;

/// What one proxy did.
#[derive(Debug)]
pub struct Column {
    /// Its name and version.
    pub name: String,
    /// A trial for each class, or why there is none.
    pub trials: Vec<(&'static str, Result<Trial, String>)>,
    /// What it made of hostile backends.
    pub servers: Endured,
}

/// Our sidecar. The good backend of others is ours, too: all see the same.
///
/// # Errors
/// The sidecar does not start.
pub async fn ours(options: &Options) -> Result<Column, String> {
    let mut trials = Vec::new();
    for class in classes(options) {
        let folder = folder()?;
        let backend = Backend::start().await;
        let proxy = Proxy::ours(&options.program, folder.path(), backend.address).await;
        let proxy = proxy.map_err(|error| format!("the sidecar does not start: {error}"))?;
        trials.push((class.name, attacked(proxy, &backend, &class).await));
    }
    Ok(Column {
        name: "Outrider".to_owned(),
        trials,
        servers: servers::run(options, None).await,
    })
}

/// A proxy of others. What does not start is told in its cells.
pub async fn of_others(options: &Options, peer: &Peer) -> Column {
    let mut trials = Vec::new();
    for class in classes(options) {
        trials.push((class.name, against(peer, &class).await));
    }
    Column {
        name: peer.title(),
        trials,
        servers: servers::run(options, Some(peer)).await,
    }
}

async fn against(peer: &Peer, class: &Class) -> Result<Trial, String> {
    let folder = folder()?;
    let backend = Backend::start().await;
    let proxy = peer.start(folder.path(), backend.address);
    let proxy = proxy.map_err(|error| format!("it does not start: {error}"))?;
    attacked(proxy, &backend, class).await
}

/// Hostile clients, then hostile requests.
pub fn all() -> Vec<Class> {
    [clients::all(), requests::all()].concat()
}

/// Is there a class, a hostile backend or a line of the report that is asked for?
pub fn is_known(options: &Options) -> bool {
    let backends = backends::all();
    let mut forms = backends.iter().map(|form| form.name);
    let mut lines = [STALLED, CANCELLATION, MEMBERS].into_iter();
    lines.any(|name| options.wants(name))
        || !classes(options).is_empty()
        || forms.any(|name| options.wants(name))
}

fn classes(options: &Options) -> Vec<Class> {
    let mut classes = all();
    classes.retain(|class| options.wants(class.name));
    classes
}

async fn attacked(mut proxy: Proxy, backend: &Backend, class: &Class) -> Result<Trial, String> {
    until_served(&proxy, SERVICE).await?;
    proxy.find_children();
    let target = Target {
        door: proxy.address.into(),
        authority: SERVICE.to_owned(),
        seen: backend.seen.clone(),
        volume: VOLUME,
    };
    let trial = Trial::run(&mut proxy, &target, class).await;
    eprintln!(
        "{:<40} {:>2}/{:>2} as expected, +{} KiB, others: {} failures, p99 {:?}",
        class.name,
        trial.forms - trial.broken.len(),
        trial.forms,
        trial.outside.growth_at_peak >> 10,
        trial.outside.felt.failures.len(),
        trial.outside.felt.p99()
    );
    for (form, why) in &trial.broken {
        eprintln!("    {form}: {why}");
    }
    Ok(trial)
}

/// Waits until a call is served; then some more, so that what a process takes once is taken.
pub async fn until_served(proxy: &Proxy, authority: &str) -> Result<(), String> {
    let served = async {
        while fresh_connection(proxy.address, authority).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let served = tokio::time::timeout(Duration::from_secs(15), served).await;
    served.map_err(|_| "it never served a call".to_owned())?;
    for _ in 0..20 {
        fresh_connection(proxy.address, authority).await?;
    }
    Ok(())
}

/// A folder that a proxy may read although it drops its rights, as nginx does.
pub fn folder() -> Result<tempfile::TempDir, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    allow_others(folder.path()).map_err(|error| error.to_string())?;
    Ok(folder)
}

fn allow_others(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))
}

impl Column {
    /// The promises that this proxy broke, as far as they are ours: a sentence each.
    pub fn broken(&self) -> Vec<String> {
        let broken = |(name, trial): &(&str, Result<Trial, String>)| match trial {
            Ok(trial) => {
                let left = trial.outside.descriptors_left;
                let is_back = trial.outside.gave_descriptors_back();
                let kept = (!is_back).then(|| format!("{name}: {left} descriptors stay open"));
                promises(trial).into_iter().chain(kept).collect()
            }
            Err(why) => vec![format!("{name}: {why}")],
        };
        let broken = self.trials.iter().flat_map(broken);
        broken.chain(self.servers.broken.iter().cloned()).collect()
    }
}

/// Most growth one second after. Octets.
const AFTER_BYTES_MAX: u64 = 4 << 20;
const P99_MAX: Duration = Duration::from_millis(50);
const FRESH_MAX: Duration = Duration::from_millis(100);

/// What is broken of the promise on hostile clients.
pub fn promises(trial: &Trial) -> Vec<String> {
    let forms = trial.broken.iter();
    let forms = forms.map(|(form, why)| format!("{form}: {why}"));
    let idle = trial.idle_complaint();
    let broken = promises_of(&trial.outside).into_iter().chain(idle);
    let broken = broken.chain(forms);
    broken
        .map(|what| format!("{}: {what}", trial.name))
        .collect()
}

/// What is broken of what we promise whoever is hostile.
pub fn promises_of(outside: &Outside) -> Vec<String> {
    let Outside { felt, fresh, .. } = outside;
    let rules = [
        (outside.lives, "the process ended".to_owned()),
        (
            outside.growth_at_peak <= PEAK_BYTES_MAX,
            format!("+{} KiB at the peak", outside.growth_at_peak >> 10),
        ),
        (
            outside.growth_after <= AFTER_BYTES_MAX,
            format!("+{} KiB one second after", outside.growth_after >> 10),
        ),
        (
            felt.failures.is_empty() && !felt.times.is_empty(),
            format!("others failed: {:?}", felt.failures),
        ),
        (
            felt.p99() <= P99_MAX,
            format!("others' p99 {:?}", felt.p99()),
        ),
        (
            fresh.as_ref().is_ok_and(|took| *took <= FRESH_MAX),
            format!("a new connection: {fresh:?}"),
        ),
    ];
    let broken = rules.into_iter().filter(|(holds, _)| !holds);
    broken.map(|(_, what)| what).collect()
}
