//! Hostile clients at the port for other sidecars, as a line of the report.

use std::time::Duration;

use super::conformance::Line;
use super::options::Options;
use super::suite::{VOLUME, folder};
use crate::hostile::ground::Trial;
use crate::hostile::{Class, clients, size};

/// What `--only` calls it.
pub const MEMBERS: &str = "hostile_members";

/// Every class by a verified member of the mesh, and callers who are nobody. Judged as in `cargo
/// test`: handshakes by the thousand are on this port, too.
pub async fn run(options: &Options) -> Line {
    if !options.wants(MEMBERS) {
        return Line::left_out("hostile members: not run");
    }
    let classes = clients::at_the_inbound_port();
    let (mut peak, mut slowest, mut broken) = (0, (Duration::ZERO, "none"), Vec::new());
    for class in &classes {
        let name = class.name;
        match trial(options, class).await {
            Ok(trial) => {
                peak = trial.outside.growth_at_peak.max(peak);
                slowest = slowest.max((trial.outside.felt.p99(), name));
                let complaints = trial.complaints().into_iter();
                broken.extend(complaints.map(|why| format!("{name}: {why}")));
            }
            Err(why) => broken.push(format!("{name}: {why}")),
        }
    }
    for why in &broken {
        eprintln!("hostile members, broken: {why}");
    }
    let (p99, name) = slowest;
    Line {
        line: format!(
            "hostile members, at the port for other sidecars: {}, {} promises broken; +{:.1} MiB, \
             worst p99 of others {:.1} ms (`{name}`)",
            size(&classes),
            broken.len(),
            peak as f64 / f64::from(1 << 20),
            p99.as_secs_f64() * 1e3
        ),
        holds: broken.is_empty(),
    }
}

async fn trial(options: &Options, class: &Class) -> Result<Trial, String> {
    let folder = folder()?;
    let trial = Trial::of_a_member(&options.program, folder.path(), class, VOLUME).await;
    let trial = trial.map_err(|error| format!("the sidecar does not start: {error}"))?;
    eprintln!(
        "member: {:<40} {:>2} forms in {:?}, +{} KiB, others p99 {:?}",
        class.name,
        trial.forms,
        trial.took,
        trial.outside.growth_at_peak >> 10,
        trial.outside.felt.p99()
    );
    Ok(trial)
}
