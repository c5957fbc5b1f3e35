//! One call to the shop's inventory, for trying things by hand.
//!
//! Knows no mesh, like any application: it calls one address on localhost.

use std::net::SocketAddr;
use std::time::Duration;

use outrider_examples::shop::inventory_client::InventoryClient;
use outrider_examples::shop::{Article, Item};
use outrider_examples::{origin, upstream};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tonic::{Request, Status};

use crate::error::DemoError;

/// Longest wait for a listener, and then for the answer. A reader who types faster than a
/// sidecar starts should see no refusal.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two tries to connect.
const RETRY: Duration = Duration::from_millis(50);

/// Asks for `article` through the sidecar whose outbound listener is at `upstream`; gives the
/// answer as a sentence.
///
/// # Errors
/// When no process listens there, or the call fails.
pub fn look_up(article: &str, upstream: SocketAddr) -> Result<String, DemoError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| DemoError::caused_by("no runtime", &error))?;
    let Article {
        article,
        price_cents,
        served_by,
        ..
    } = runtime.block_on(answer(article, upstream))?;
    Ok(format!(
        "{article} costs {price_cents} cents, says {served_by}"
    ))
}

async fn answer(article: &str, upstream: SocketAddr) -> Result<Article, DemoError> {
    let listens = timeout(PATIENCE, until_it_listens(upstream)).await;
    listens.map_err(|_| no_listener(upstream))?;
    let answer = timeout(PATIENCE, look(article, upstream)).await;
    let answer = answer.map_err(|_| silent(upstream))?;
    answer.map_err(|status| refused(&status))
}

async fn until_it_listens(address: SocketAddr) {
    while TcpStream::connect(address).await.is_err() {
        sleep(RETRY).await;
    }
}

async fn look(article: &str, address: SocketAddr) -> Result<Article, Status> {
    let mut inventory = InventoryClient::with_origin(upstream(), origin(address));
    let mut request = Request::new(Item {
        article: article.to_owned(),
        pieces: 1,
    });
    request.set_timeout(PATIENCE);
    Ok(inventory.look(request).await?.into_inner())
}

fn refused(status: &Status) -> DemoError {
    let (code, message) = (status.code(), status.message());
    DemoError::new(format!("the call failed: {code:?}: {message}"))
}

fn no_listener(address: SocketAddr) -> DemoError {
    DemoError::new(format!(
        "no process listens at {address}: start a sidecar there, or name its address with --upstream"
    ))
}

fn silent(address: SocketAddr) -> DemoError {
    DemoError::new(format!("no answer from {address} in {PATIENCE:?}"))
}
