//! `frontend`: what customers call. It keeps nothing and passes every call on to `orders`.

use std::sync::Arc;

use tokio_stream::StreamExt;
use tonic::{Request, Response, Status, Streaming};

use crate::backstage::Instance;
use crate::connections::Upstream;
use crate::shop::{
    Item, Order, OrderId, Progress, Total, frontend_server, orders_client::OrdersClient,
};

pub(crate) struct Frontend {
    pub(crate) instance: Arc<Instance>,
    pub(crate) orders: OrdersClient<Upstream>,
}

#[tonic::async_trait]
impl frontend_server::Frontend for Frontend {
    type TrackStream = Streaming<Progress>;
    type BasketStream = Streaming<Total>;

    async fn show_order(&self, request: Request<OrderId>) -> Result<Response<Order>, Status> {
        let call = self.instance.admit("ShowOrder", request.metadata()).await?;
        let order = self
            .orders
            .clone()
            .get(call.request(request.into_inner()))
            .await?;
        Ok(Response::new(order.into_inner()))
    }

    async fn checkout(&self, request: Request<Item>) -> Result<Response<Order>, Status> {
        let call = self.instance.admit("Checkout", request.metadata()).await?;
        let order = self
            .orders
            .clone()
            .place(call.request(request.into_inner()))
            .await?;
        Ok(Response::new(order.into_inner()))
    }

    async fn track(
        &self,
        request: Request<OrderId>,
    ) -> Result<Response<Self::TrackStream>, Status> {
        let call = self.instance.admit("Track", request.metadata()).await?;
        let steps = self
            .orders
            .clone()
            .watch(call.request(request.into_inner()))
            .await?;
        Ok(Response::new(steps.into_inner()))
    }

    async fn basket(
        &self,
        request: Request<Streaming<Item>>,
    ) -> Result<Response<Self::BasketStream>, Status> {
        let call = self.instance.admit("Basket", request.metadata()).await?;
        let items = request.into_inner().map_while(Result::ok);
        let totals = self.orders.clone().price(call.request(items)).await?;
        Ok(Response::new(totals.into_inner()))
    }
}
