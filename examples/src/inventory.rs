//! `inventory`: what is on the shelves. It calls no other service, and its shelves are never empty.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::backstage::Instance;
use crate::shop::{Article, Item, inventory_server};

const SHELVES: [(&str, u64); 3] = [("apples", 30), ("bread", 320), ("cheese", 540)];
const STOCK: u32 = 1_000;

pub(crate) struct Inventory {
    pub(crate) instance: Arc<Instance>,
}

impl Inventory {
    fn article(&self, name: &str) -> Result<Article, Status> {
        let shelf = SHELVES.iter().find(|(article, _)| *article == name);
        let (article, price_cents) =
            shelf.ok_or_else(|| Status::not_found(format!("we do not sell {name}")))?;
        Ok(Article {
            article: (*article).to_owned(),
            price_cents: *price_cents,
            stock: STOCK,
            served_by: self.instance.name.clone(),
        })
    }
}

#[tonic::async_trait]
impl inventory_server::Inventory for Inventory {
    async fn look(&self, request: Request<Item>) -> Result<Response<Article>, Status> {
        let _call = self.instance.admit("Look", request.metadata()).await?;
        self.article(&request.get_ref().article).map(Response::new)
    }

    async fn reserve(&self, request: Request<Item>) -> Result<Response<Article>, Status> {
        let _call = self.instance.admit("Reserve", request.metadata()).await?;
        self.article(&request.get_ref().article).map(Response::new)
    }
}
