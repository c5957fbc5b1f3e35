//! The customers: a steady, bounded stream of calls that enters the mesh at one sidecar.
//!
//! Neither this client nor the shop watches a clock (tonic's channel and server would), so that
//! what ends a call at its deadline is the mesh. A call is sent on time whether or not earlier ones have ended.

use std::cell::{Cell, RefCell};
use std::{net::SocketAddr, time::Duration};

use outrider_examples::shop::{Item, OrderId, frontend_client::FrontendClient};
use outrider_examples::{Upstream, origin, upstream};
use tokio::{task::JoinSet, time::Instant, time::MissedTickBehavior};
use tonic::{Code, Request, Status, Streaming};

use crate::{scenes::Scene, statistics::StatisticsByScene};

/// 200 calls a second.
const CALL_EVERY: Duration = Duration::from_millis(5);
/// A scene has settled then: what has just started or stopped is known to all.
const SETTLED_AFTER: Duration = Duration::from_secs(1);
/// So long after its deadline a call counts as lost: neither answered nor ended by the mesh.
const LOST_AFTER: Duration = Duration::from_secs(5);

/// What a customer does. All are methods of `shop.v1.Frontend`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// `ShowOrder`: unary, marked idempotent.
    Show,
    /// `Checkout`: unary, not idempotent.
    Checkout,
    /// `Track`: server streaming.
    Track,
    /// `Basket`: bidirectional.
    Basket,
}

/// A call that has ended.
#[derive(Clone, Debug)]
pub struct CallOutcome {
    /// Scene in which it was sent.
    pub scene: Scene,
    /// What was called.
    pub kind: CallKind,
    /// The status the customer saw.
    pub code: Code,
    /// What the status said; empty if OK.
    pub message: String,
    /// From sending to the end.
    pub latency: Duration,
    /// Was it sent a second or more after the scene began?
    pub settled: bool,
    /// Was the stock looked up by the new version of `inventory`?
    pub new_version: bool,
}

type Shop = FrontendClient<Upstream>;

/// Calls the shop through the sidecar at `entry` while there is a scene; then waits for the calls
/// still open.
pub async fn run(
    entry: SocketAddr,
    scene: &Cell<Option<Scene>>,
    statistics: &RefCell<StatisticsByScene>,
) {
    let shop = FrontendClient::with_origin(upstream(), origin(entry));
    let mut calls = JoinSet::new();
    let mut ticks = tokio::time::interval(CALL_EVERY);
    // After a stall of this machine: on at the same rate, without a burst.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut sent, mut began) = (0, (None, Instant::now()));
    while let Some(scene) = scene.get() {
        if began.0 != Some(scene) {
            began = (Some(scene), Instant::now());
        }
        tokio::select! {
            _ = ticks.tick() => {
                calls.spawn(call(shop.clone(), scene, began.1, sent));
                sent += 1;
            }
            Some(Ok(ended)) = calls.join_next() => statistics.borrow_mut().record(&ended),
        }
    }
    while let Some(Ok(ended)) = calls.join_next().await {
        statistics.borrow_mut().record(&ended);
    }
}

/// Of twenty calls sixteen are shows, two checkouts, one follows an order and one fills a basket.
fn kind_of(number: u64) -> CallKind {
    match number % 20 {
        3 | 13 => CallKind::Checkout,
        7 => CallKind::Track,
        17 => CallKind::Basket,
        _ => CallKind::Show,
    }
}

async fn call(shop: Shop, scene: Scene, began: Instant, number: u64) -> CallOutcome {
    let kind = kind_of(number);
    let deadline = scene.deadline(kind);
    let start = Instant::now();
    let answer =
        tokio::time::timeout(deadline + LOST_AFTER, send(shop, kind, number, deadline)).await;
    let latency = start.elapsed();
    let lost = || {
        Err(Status::unknown(
            "neither answered nor ended at its deadline",
        ))
    };
    let (status, new_version) = match answer.unwrap_or_else(|_| lost()) {
        Ok(new_version) => (Status::ok(""), new_version),
        Err(status) => (status, false),
    };
    let (code, message) = (status.code(), status.message().to_owned());
    CallOutcome {
        scene,
        kind,
        code,
        message,
        latency,
        settled: start - began >= SETTLED_AFTER,
        new_version,
    }
}

/// Makes the call and reads its answer to the end. True if the new `inventory` took part.
async fn send(
    mut shop: Shop,
    kind: CallKind,
    number: u64,
    deadline: Duration,
) -> Result<bool, Status> {
    match kind {
        CallKind::Show => {
            let order = shop
                .show_order(with(deadline, OrderId { id: number }))
                .await?;
            Ok(order.into_inner().stock_by == "inventory-v2")
        }
        CallKind::Checkout => {
            let order = shop.checkout(with(deadline, bread(2))).await?;
            Ok(order.into_inner().stock_by == "inventory-v2")
        }
        CallKind::Track => {
            drain(
                shop.track(with(deadline, OrderId { id: number }))
                    .await?
                    .into_inner(),
            )
            .await
        }
        CallKind::Basket => {
            let items = tokio_stream::iter([bread(1), bread(2), bread(3)]);
            drain(shop.basket(with(deadline, items)).await?.into_inner()).await
        }
    }
}

async fn drain<T>(mut answers: Streaming<T>) -> Result<bool, Status> {
    while answers.message().await?.is_some() {}
    Ok(false)
}

fn with<T>(deadline: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    request
}

fn bread(pieces: u32) -> Item {
    Item {
        article: "bread".to_owned(),
        pieces,
    }
}
