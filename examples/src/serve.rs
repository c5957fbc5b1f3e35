//! Starts one service of the shop: listens, says so, serves until it is told to stop.

use std::{env, io, net::SocketAddr, process::ExitCode, str::FromStr, sync::Arc};

use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::transport::Uri;

use crate::backstage::Instance;
use crate::connections::{self, Upstream};
use crate::shop::{
    backstage_server::BackstageServer, frontend_server::FrontendServer,
    inventory_client::InventoryClient, inventory_server::InventoryServer,
    orders_client::OrdersClient, orders_server::OrdersServer, payments_client::PaymentsClient,
    payments_server::PaymentsServer,
};
use crate::{
    frontend::Frontend, inventory::Inventory, orders::Orders, payments::Payments, signals,
};

/// The services of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// What customers call; calls `orders`.
    Frontend,
    /// Calls `inventory` and `payments`.
    Orders,
    /// Calls no other service.
    Inventory,
    /// Calls no other service.
    Payments,
}

impl FromStr for Service {
    type Err = String;

    fn from_str(name: &str) -> Result<Service, String> {
        match name {
            "frontend" => Ok(Service::Frontend),
            "orders" => Ok(Service::Orders),
            "inventory" => Ok(Service::Inventory),
            "payments" => Ok(Service::Payments),
            _ => Err(format!(
                "the shop has no service {name:?}; it has frontend, orders, inventory and payments"
            )),
        }
    }
}

/// All that a service of the shop is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of this instance, for people. `SHOP_NAME`; default the service's name.
    pub name: String,
    /// Where to listen. `SHOP_LISTEN`; default `127.0.0.1:50051`; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where every service it calls is found: the outbound port of a sidecar, or whatever stands
    /// there instead. `SHOP_UPSTREAM`; default `127.0.0.1:15001`.
    pub upstream: SocketAddr,
}

impl Options {
    /// Reads the options from the environment.
    ///
    /// # Errors
    /// A sentence that names the variable which is not an address.
    pub fn from_env(name: &str) -> Result<Options, String> {
        Ok(Options {
            name: variable("SHOP_NAME").unwrap_or_else(|| name.to_owned()),
            listen: address("SHOP_LISTEN", "127.0.0.1:50051")?,
            upstream: address("SHOP_UPSTREAM", "127.0.0.1:15001")?,
        })
    }
}

fn address(name: &str, default: &str) -> Result<SocketAddr, String> {
    let text = variable(name).unwrap_or_else(|| default.to_owned());
    text.parse()
        .map_err(|_| format!("{name}={text} is not an address such as {default}"))
}

/// An empty one counts as unset.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Runs `service` until a signal stops it (see `signals.rs`) and lets the calls in flight finish. `listening` is told the
/// address once connections are accepted.
///
/// # Errors
/// When the address is taken or the listener fails.
pub async fn serve(
    service: Service,
    options: Options,
    listening: impl FnOnce(SocketAddr),
) -> io::Result<()> {
    let stopped = signals::stopped()?;
    serve_until(service, options, listening, stopped).await
}

/// As [`serve`], until `stopped`.
///
/// # Errors
/// As [`serve`].
pub async fn serve_until(
    service: Service,
    options: Options,
    listening: impl FnOnce(SocketAddr),
    stopped: impl Future<Output = ()>,
) -> io::Result<()> {
    let listener = TcpListener::bind(options.listen).await.map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("cannot listen on {}: {error}", options.listen),
        )
    })?;
    listening(listener.local_addr()?);
    let instance = Instance::new(options.name);
    let upstream = (
        connections::upstream(),
        connections::origin(options.upstream),
    );
    let door = Routes::new(BackstageServer::from_arc(instance.clone()));
    let routes = add(service, &instance, &upstream, door);
    connections::answer(listener, routes, stopped).await
}

fn add(
    service: Service,
    instance: &Arc<Instance>,
    (upstream, origin): &(Upstream, Uri),
    routes: Routes,
) -> Routes {
    let (instance, upstream) = (instance.clone(), upstream.clone());
    match service {
        Service::Frontend => {
            let orders = OrdersClient::with_origin(upstream, origin.clone());
            routes.add_service(FrontendServer::new(Frontend { instance, orders }))
        }
        Service::Orders => {
            let inventory = InventoryClient::with_origin(upstream.clone(), origin.clone());
            let payments = PaymentsClient::with_origin(upstream, origin.clone());
            routes.add_service(OrdersServer::new(Orders::new(
                instance, inventory, payments,
            )))
        }
        Service::Inventory => routes.add_service(InventoryServer::new(Inventory { instance })),
        Service::Payments => routes.add_service(PaymentsServer::new(Payments { instance })),
    }
}

/// The `main` of a service's binary: options from the environment, one line on stdout when it
/// listens, exit code 2 for bad options and 1 for anything later.
pub fn main(service: Service, name: &str) -> ExitCode {
    let options = match Options::from_env(name) {
        Ok(options) => options,
        Err(problem) => return fail(2, &problem),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let served = runtime.and_then(|runtime| {
        runtime.block_on(serve(service, options, |address| {
            println!("{name} listens on {address}");
        }))
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => fail(1, &problem.to_string()),
    }
}

fn fail(code: u8, problem: &str) -> ExitCode {
    eprintln!("{problem}");
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt;

    use super::*;
    use crate::shop::{
        Behaviour, Item, OrderId, ReportRequest, backstage_client::BackstageClient,
        frontend_client::FrontendClient,
    };

    /// All four services behind one address, which is also their upstream: a mesh without a mesh.
    async fn open_shop() -> (Upstream, Uri) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = connections::origin(listener.local_addr().unwrap());
        let shop = (connections::upstream(), origin);
        let instance = Instance::new("one".into());
        let mut routes = Routes::new(BackstageServer::from_arc(instance.clone()));
        for service in [
            Service::Frontend,
            Service::Orders,
            Service::Inventory,
            Service::Payments,
        ] {
            routes = add(service, &instance, &shop, routes);
        }
        tokio::spawn(connections::answer(
            listener,
            routes,
            std::future::pending(),
        ));
        shop
    }

    fn bread(pieces: u32) -> Item {
        Item {
            article: "bread".into(),
            pieces,
        }
    }

    #[tokio::test]
    async fn answers_the_four_kinds_of_call() {
        let (upstream, origin) = open_shop().await;
        let mut shop = FrontendClient::with_origin(upstream, origin);

        let shown = shop
            .show_order(OrderId { id: 1 })
            .await
            .unwrap()
            .into_inner();
        assert_eq!(
            (shown.article.as_str(), shown.served_by.as_str()),
            ("bread", "one")
        );
        let placed = shop.checkout(bread(2)).await.unwrap().into_inner();
        assert_eq!((placed.total_cents, placed.paid), (640, true));

        let steps = shop.track(OrderId { id: 1 }).await.unwrap().into_inner();
        let steps: Vec<_> = steps.map(|step| step.unwrap().step).collect().await;
        assert_eq!(steps, ["placed", "paid", "packed", "delivered"]);
        let basket = tokio_stream::iter([bread(1), bread(2)]);
        let totals = shop.basket(basket).await.unwrap().into_inner();
        let totals: Vec<_> = totals.map(|total| total.unwrap().cents).collect().await;
        assert_eq!(totals, [320, 960]);
    }

    #[tokio::test]
    async fn fails_the_one_method_it_is_told_to_fail() {
        let (upstream, origin) = open_shop().await;
        let mut shop = FrontendClient::with_origin(upstream.clone(), origin.clone());
        let charge = Behaviour {
            unavailable: true,
            only_method: "Charge".into(),
            delay_ms: 0,
        };

        let mut backstage = BackstageClient::with_origin(upstream, origin);
        backstage.behave(charge).await.unwrap();

        let refused = shop.checkout(bread(1)).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::Unavailable);
        shop.show_order(OrderId { id: 1 }).await.unwrap();
    }

    #[tokio::test]
    async fn a_deadline_that_has_passed_ends_no_call_without_a_mesh() {
        let (upstream, origin) = open_shop().await;
        let mut shop = FrontendClient::with_origin(upstream.clone(), origin.clone());
        let mut backstage = BackstageClient::with_origin(upstream, origin);
        let slow = Behaviour {
            unavailable: false,
            only_method: "Charge".into(),
            delay_ms: 30,
        };
        backstage.behave(slow).await.unwrap();
        let mut request = tonic::Request::new(bread(1));
        request.set_timeout(std::time::Duration::from_millis(10));

        shop.checkout(request).await.unwrap();

        let seen = backstage.report(ReportRequest {}).await.unwrap();
        assert!(seen.into_inner().late_work_us >= 20_000);
    }
}
