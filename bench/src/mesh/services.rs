//! What one change costs a control plane that knows many services: an instance of each is registered, one
//! of them leaves or joins, and the next state is published; and what its page costs.
//!
//! In this process, without a connection, so that nothing is counted that is sent or received.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use std::{fs, io};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use outrider_control_plane::members::mesh::Tasks;
use outrider_control_plane::registry::{
    Announced, LeaseEvent, LeaseOutcome, LeaveReason, ServiceName, Verification,
};
use outrider_control_plane::{MemberId, Options, Parts, admin};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::Instant;

use super::figures::quantiles;
use super::page;

/// Changes, and pages.
const ROUNDS: usize = 50;

/// `count` services with an instance each: a change of one endpoint, and the page.
///
/// # Errors
/// The control plane does not start.
pub async fn services(count: usize) -> io::Result<Value> {
    let folder = tempfile::tempdir()?;
    let text = "apiVersion: outrider.dev/v1\nkind: Service\nmetadata: { name: written }\n\
                spec: { endpoints: { static: [ { address: \"127.0.0.1:1\" } ] } }\n";
    let documents = folder.path().join("documents");
    fs::create_dir(&documents)?;
    fs::write(documents.join("written.yaml"), text)?;
    let options = Options {
        documents: Some(documents),
        ..Options::new(folder.path().join("data"))
    };
    let (_stop, stopping) = watch::channel(false);
    let opened = spawn_blocking(|| Parts::open(options, stopping)).await?;
    let (parts, tasks) = opened.map_err(io::Error::other)?;
    let Tasks {
        registrar,
        publisher,
    } = tasks;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let mut running = JoinSet::new();
    running.spawn(registrar.run());
    running.spawn(publisher.run());
    running.spawn(admin::serve(listener, parts.clone()));
    register(&parts, count).await?;

    let (mut processor, mut elapsed) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let (before, start) = (used()?, Instant::now());
        change(&parts, round * count / ROUNDS).await?;
        elapsed.push(start.elapsed());
        processor.push(used()?.saturating_sub(before));
    }
    let (mut page_processor, mut page_elapsed) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        let (before, start) = (used()?, Instant::now());
        bytes = page::get(address, "/").await?.len();
        page_elapsed.push(start.elapsed());
        page_processor.push(used()?.saturating_sub(before));
    }
    Ok(json!({
        "figure": "services", "services": count, "changes": ROUNDS,
        "change_processor_ms": quantiles(processor),
        "change_to_published_ms": quantiles(elapsed),
        "page_processor_ms": quantiles(page_processor),
        "page_ms": quantiles(page_elapsed),
        "page_bytes": bytes,
    }))
}

fn announced(number: usize) -> Announced {
    let octets = (number as u64).to_be_bytes();
    let [.., a, b, c] = octets;
    Announced {
        name: ServiceName {
            service: format!("service-{number}"),
            namespace: "default".to_owned(),
        },
        member: MemberId::new(octets),
        instance: format!("instance-{number}"),
        address: SocketAddr::from(([10, a, b, c], 15_006)),
    }
}

async fn register(parts: &Parts, count: usize) -> io::Result<()> {
    let mut joining = JoinSet::new();
    for number in 0..count {
        let registry = parts.mesh.registry.clone();
        joining.spawn(async move {
            registry
                .apply(LeaseEvent::Serving(
                    announced(number),
                    Verification::SourceAddress,
                ))
                .await
        });
    }
    let mut last = 0;
    while let Some(joined) = joining.join_next().await {
        last = last.max(revision(joined?.map_err(io::Error::other)?)?);
    }
    until_published(parts, last).await
}

/// The instance of a service leaves, and its state is published.
async fn change(parts: &Parts, number: usize) -> io::Result<()> {
    let ended = LeaseEvent::Ended(announced(number), LeaveReason::Withdrawn);
    let taken = parts.mesh.registry.apply(ended).await;
    let taken = revision(taken.map_err(io::Error::other)?)?;
    until_published(parts, taken).await
}

fn revision(taken: LeaseOutcome) -> io::Result<u64> {
    match taken {
        LeaseOutcome::Recorded(revision) => Ok(revision),
        LeaseOutcome::Refused(refused) => Err(io::Error::other(refused)),
    }
}

async fn until_published(parts: &Parts, revision: u64) -> io::Result<()> {
    let mut published = parts.mesh.published.clone();
    let reached = published.wait_for(|it| it.registry_revision >= revision);
    reached.await.map(drop).map_err(io::Error::other)
}

/// What this process has had of processors so far, all threads together.
fn used() -> io::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = [usage.user_time(), usage.system_time()].map(|time| time.num_microseconds());
    let micros = u64::try_from(micros.iter().sum::<i64>()).unwrap_or(0);
    Ok(Duration::from_micros(micros))
}
