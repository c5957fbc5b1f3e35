//! `outrider demo-call`: one call to the demo's inventory, for trying things by hand.
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

use crate::failure::Failure;
use crate::{operator, output};

/// Longest wait for a listener, and then for the answer. A reader who types faster than a
/// sidecar starts should see no refusal.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two tries to connect.
const RETRY: Duration = Duration::from_millis(50);

/// What to ask for, and where.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// apples, bread or cheese.
    #[arg(default_value = "bread")]
    article: String,
    /// Where the sidecar takes its application's calls (--outbound).
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:15001")]
    upstream: SocketAddr,
}

/// Prints the answer.
pub fn run(args: &Args) -> Result<(), Failure> {
    let called = operator::runtime()?.block_on(async {
        let listens = timeout(PATIENCE, until_it_listens(args.upstream)).await;
        listens.map_err(|_| no_listener(args.upstream))?;
        let answer = timeout(PATIENCE, look(args)).await;
        let answer = answer.map_err(|_| silent(args.upstream))?;
        answer.map_err(|status| refused(&status))
    });
    let Article {
        article,
        price_cents,
        served_by,
        ..
    } = called?;
    output::print_line(&format!(
        "{article} costs {price_cents} cents, says {served_by}"
    ))
}

async fn until_it_listens(address: SocketAddr) {
    while TcpStream::connect(address).await.is_err() {
        sleep(RETRY).await;
    }
}

async fn look(args: &Args) -> Result<Article, Status> {
    let mut inventory = InventoryClient::with_origin(upstream(), origin(args.upstream));
    let mut request = Request::new(Item {
        article: args.article.clone(),
        pieces: 1,
    });
    request.set_timeout(PATIENCE);
    Ok(inventory.look(request).await?.into_inner())
}

fn refused(status: &Status) -> Failure {
    let (code, message) = (status.code(), status.message());
    Failure::Runtime(format!("the call failed: {code:?}: {message}"))
}

fn no_listener(address: SocketAddr) -> Failure {
    Failure::Runtime(format!(
        "no process listens at {address}: start a sidecar there, or name its address with --upstream"
    ))
}

fn silent(address: SocketAddr) -> Failure {
    Failure::Runtime(format!("no answer from {address} in {PATIENCE:?}"))
}
