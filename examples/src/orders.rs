//! `orders`: does the work with the help of `inventory` and `payments`.
//!
//! Orders are not stored, so that every instance can answer for every order: an order's number
//! says what was ordered.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::backstage::Instance;
use crate::call::Call;
use crate::connections::Upstream;
use crate::shop::{
    Bill, Item, Order, OrderId, Progress, Total, inventory_client::InventoryClient, orders_server,
    payments_client::PaymentsClient,
};

const ARTICLES: [&str; 3] = ["apples", "bread", "cheese"];
const STEPS: [&str; 4] = ["placed", "paid", "packed", "delivered"];
const STEP_EVERY: Duration = Duration::from_millis(20);

pub(crate) struct Orders {
    instance: Arc<Instance>,
    inventory: InventoryClient<Upstream>,
    payments: PaymentsClient<Upstream>,
    next_id: AtomicU64,
}

impl Orders {
    pub(crate) fn new(
        instance: Arc<Instance>,
        inventory: InventoryClient<Upstream>,
        payments: PaymentsClient<Upstream>,
    ) -> Orders {
        Orders {
            instance,
            inventory,
            payments,
            next_id: AtomicU64::new(1),
        }
    }
}

#[tonic::async_trait]
impl orders_server::Orders for Orders {
    type WatchStream = ReceiverStream<Result<Progress, Status>>;
    type PriceStream = ReceiverStream<Result<Total, Status>>;

    async fn get(&self, request: Request<OrderId>) -> Result<Response<Order>, Status> {
        let call = self.instance.admit("Get", request.metadata()).await?;
        let OrderId { id } = request.into_inner();
        let item = item_of(id);
        let article = self
            .inventory
            .clone()
            .look(call.request(item))
            .await?
            .into_inner();
        let payment = self
            .payments
            .clone()
            .find(call.request(OrderId { id }))
            .await?
            .into_inner();
        Ok(Response::new(Order {
            id,
            article: article.article,
            total_cents: article.price_cents,
            paid: payment.paid,
            served_by: self.instance.name.clone(),
            stock_by: article.served_by,
        }))
    }

    async fn place(&self, request: Request<Item>) -> Result<Response<Order>, Status> {
        let call = self.instance.admit("Place", request.metadata()).await?;
        let item = request.into_inner();
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let pieces = u64::from(item.pieces);
        let article = self
            .inventory
            .clone()
            .reserve(call.request(item))
            .await?
            .into_inner();
        let cents = article.price_cents.saturating_mul(pieces);
        let payment = self
            .payments
            .clone()
            .charge(call.request(Bill { order: id, cents }))
            .await?
            .into_inner();
        Ok(Response::new(Order {
            id,
            article: article.article,
            total_cents: cents,
            paid: payment.paid,
            served_by: self.instance.name.clone(),
            stock_by: article.served_by,
        }))
    }

    async fn watch(
        &self,
        request: Request<OrderId>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let call = self.instance.admit("Watch", request.metadata()).await?;
        let (steps, answers) = mpsc::channel(1);
        tokio::spawn(report_steps(call, steps));
        Ok(Response::new(ReceiverStream::new(answers)))
    }

    async fn price(
        &self,
        request: Request<Streaming<Item>>,
    ) -> Result<Response<Self::PriceStream>, Status> {
        let call = self.instance.admit("Price", request.metadata()).await?;
        let (totals, answers) = mpsc::channel(1);
        tokio::spawn(add_up(
            call,
            self.inventory.clone(),
            request.into_inner(),
            totals,
        ));
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}

fn item_of(id: u64) -> Item {
    let article = ARTICLES[(id % ARTICLES.len() as u64) as usize].to_owned();
    Item { article, pieces: 1 }
}

/// Sends every step; stops when nobody listens any more.
async fn report_steps(_call: Call, steps: mpsc::Sender<Result<Progress, Status>>) {
    for step in STEPS {
        if steps
            .send(Ok(Progress {
                step: step.to_owned(),
            }))
            .await
            .is_err()
        {
            return;
        }
        tokio::time::sleep(STEP_EVERY).await;
    }
}

/// Answers each item with the total so far; the first failure ends the answers.
async fn add_up(
    call: Call,
    mut inventory: InventoryClient<Upstream>,
    mut items: Streaming<Item>,
    totals: mpsc::Sender<Result<Total, Status>>,
) {
    let mut cents = 0u64;
    while let Some(item) = items.message().await.transpose() {
        let answer = match item {
            Ok(item) => price_of(&call, &mut inventory, item).await,
            Err(status) => Err(status),
        };
        let total = answer.map(|price| {
            cents = cents.saturating_add(price);
            Total { cents }
        });
        let failed = total.is_err();
        if totals.send(total).await.is_err() || failed {
            return;
        }
    }
}

async fn price_of(
    call: &Call,
    inventory: &mut InventoryClient<Upstream>,
    item: Item,
) -> Result<u64, Status> {
    let pieces = u64::from(item.pieces);
    let article = inventory.look(call.request(item)).await?.into_inner();
    Ok(article.price_cents.saturating_mul(pieces))
}
