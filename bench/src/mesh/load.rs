//! Calls through one sidecar at a steady rate, and what came of them.

use std::net::SocketAddr;
use std::time::Duration;

use outrider_examples::shop::{Item, inventory_client::InventoryClient};
use outrider_examples::{Upstream, origin, upstream};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tonic::{Request, Status};

/// A call is given this much time.
const DEADLINE: Duration = Duration::from_secs(5);

/// What came of a load.
#[derive(Debug, Default, Serialize)]
pub struct Tally {
    pub calls: u64,
    pub failed: u64,
    /// What the first failed one said.
    pub first_failure: Option<String>,
    pub latency_max_ms: f64,
}

/// Calls `Look` through the sidecar at `entry`.
#[derive(Clone)]
pub struct Client(InventoryClient<Upstream>);

impl Client {
    pub fn new(entry: SocketAddr) -> Client {
        Client(InventoryClient::with_origin(upstream(), origin(entry)))
    }

    /// One call; returns the name of the service that answered.
    ///
    /// # Errors
    /// What the caller sees.
    pub async fn look(&mut self) -> Result<String, Status> {
        let mut request = Request::new(Item {
            article: "bread".to_owned(),
            pieces: 1,
        });
        request.set_timeout(DEADLINE);
        Ok(self.0.look(request).await?.into_inner().served_by)
    }
}

/// One call each `every` until `ended`.
pub async fn steady(entry: SocketAddr, every: Duration, ended: impl Future<Output = ()>) -> Tally {
    let client = Client::new(entry);
    let mut tally = Tally::default();
    let mut calls = JoinSet::new();
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::pin!(ended);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                let mut client = client.clone();
                calls.spawn(async move {
                    let start = Instant::now();
                    (client.look().await, start.elapsed())
                });
            }
            Some(Ok(done)) = calls.join_next() => tally.record(done),
            () = &mut ended => break,
        }
    }
    while let Some(Ok(done)) = calls.join_next().await {
        tally.record(done);
    }
    tally
}

impl Tally {
    fn record(&mut self, (answer, latency): (Result<String, Status>, Duration)) {
        self.calls += 1;
        self.latency_max_ms = self.latency_max_ms.max(latency.as_secs_f64() * 1_000.0);
        if let Err(status) = answer {
            self.failed += 1;
            self.first_failure.get_or_insert(status.to_string());
        }
    }
}
