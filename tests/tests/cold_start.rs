//! The promise: in whatever order the processes of a mesh start, no call is lost.
//!
//! The shop of the examples, with the real control plane and a real sidecar beside each of its
//! services, starts from nothing, some shops at once on one machine. The customers call as soon as
//! their own sidecar listens, 200 calls at once: these wait for what is not there yet, are let go
//! together, and meet the next name that is not known yet.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use outrider_daemon::{Membership, Options};
use outrider_examples::shop::{Item, OrderId, frontend_client::FrontendClient};
use outrider_examples::{Service, Upstream, origin, serve_until, upstream};
use outrider_proto::v1::CreateTokenRequest;
use outrider_tests::{ControlPlane, Mesh, Reserved, Sidecar, write_document};
use tempfile::TempDir;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;
use tonic::Status;

/// Shops that start. Half of them in orders that are drawn, half in the same orders reversed: of any
/// two processes each comes before the other as often.
const STARTS: usize = 50;

/// Shops that start at the same time: the load that a start meets.
const AT_ONCE: usize = 4;

/// Calls that wait for a start.
const CALLS: u64 = 200;

/// Longest time of all starts together; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// What starts, in the order of a shop that is started with care.
const PROCESSES: [Process; 10] = [
    Process::ControlPlane,
    Process::Sidecar("inventory"),
    Process::Application("inventory"),
    Process::Sidecar("payments"),
    Process::Application("payments"),
    Process::Sidecar("orders"),
    Process::Application("orders"),
    Process::Sidecar("frontend"),
    Process::Application("frontend"),
    Process::Sidecar(CUSTOMERS),
];

/// The service that only calls.
const CUSTOMERS: &str = "customers";

/// Service, gRPC service, a method that may be repeated, one that must not.
const CONTRACTS: [[&str; 4]; 4] = [
    ["frontend", "Frontend", "ShowOrder", "Checkout"],
    ["orders", "Orders", "Get", "Place"],
    ["inventory", "Inventory", "Look", "Reserve"],
    ["payments", "Payments", "Find", "Charge"],
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Process {
    ControlPlane,
    Sidecar(&'static str),
    Application(&'static str),
}

/// What all shops have: documents, tokens, and a control plane that has made them.
struct Template {
    documents: TempDir,
    tokens: TempDir,
    data: TempDir,
}

impl Template {
    async fn make() -> Template {
        let [documents, tokens, data] =
            [(); 3].map(|()| tempfile::tempdir().expect("a temporary folder"));
        for contract in CONTRACTS {
            let name = format!("{}.yaml", contract[0]);
            write_document(documents.path(), &name, &document(contract));
        }
        let control_plane = ControlPlane::start(ControlPlane::options(data.path())).await;
        let control_plane = control_plane.expect("it starts");
        let mut operator = control_plane.operator().await;
        let services = CONTRACTS.iter().map(|contract| contract[0]);
        for service in services.chain([CUSTOMERS]) {
            let request = CreateTokenRequest {
                namespace: "default".to_owned(),
                service: service.to_owned(),
                life_seconds: 0,
            };
            let token = operator.create_token(request).await.expect("a token");
            let file = tokens.path().join(service);
            fs::write(file, token.into_inner().token).expect("a file is written");
        }
        control_plane.stop().await;
        Template {
            documents,
            tokens,
            data,
        }
    }
}

fn document([service, grpc, idempotent, once]: [&str; 4]) -> String {
    format!(
        "apiVersion: outrider.dev/v1
kind: Service
metadata: {{ name: {service} }}
spec: {{ grpcServices: [shop.v1.{grpc}] }}
---
apiVersion: outrider.dev/v1
kind: TrafficPolicy
metadata: {{ name: {service} }}
spec:
  targetRefs: [ {{ kind: Service, name: {service} }} ]
  methods:
    - {{ name: shop.v1.{grpc}/{idempotent}, unary: true, idempotent: true }}
    - {{ name: shop.v1.{grpc}/{once}, unary: true }}
"
    )
}

/// The addresses of a service, known to its application and its sidecar before either is there.
struct Place {
    service: &'static str,
    application: Reserved,
    outbound: Reserved,
}

/// One shop, as far as it has started. What has started ends when it is dropped.
struct Shop<'t> {
    template: &'t Template,
    folder: TempDir,
    door: Reserved,
    places: Vec<Place>,
    control_plane: Option<ControlPlane>,
    sidecars: Vec<Sidecar>,
    applications: JoinSet<()>,
    calls: JoinSet<Result<(), Status>>,
}

impl<'t> Shop<'t> {
    fn new(template: &'t Template) -> Shop<'t> {
        let services = CONTRACTS.iter().map(|contract| contract[0]);
        let places = services.chain([CUSTOMERS]).map(|service| Place {
            service,
            application: Reserved::take(),
            outbound: Reserved::take(),
        });
        Shop {
            template,
            folder: tempfile::tempdir().expect("a temporary folder"),
            door: Reserved::take(),
            places: places.collect(),
            control_plane: None,
            sidecars: Vec::new(),
            applications: JoinSet::new(),
            calls: JoinSet::new(),
        }
    }

    async fn start(&mut self, process: Process) {
        match process {
            Process::ControlPlane => self.start_control_plane().await,
            Process::Sidecar(service) => self.start_sidecar(service).await,
            Process::Application(service) => self.start_application(service),
        }
    }

    async fn start_control_plane(&mut self) {
        let data = self.folder.path().join("control-plane");
        copy(self.template.data.path(), &data);
        let mut options = ControlPlane::options(&data);
        options.listen = self.door.address;
        options.documents = Some(self.template.documents.path().to_owned());
        let control_plane = ControlPlane::start(options).await;
        self.control_plane = Some(control_plane.expect("it starts"));
    }

    async fn start_sidecar(&mut self, service: &str) {
        let place = self.place(service);
        let (outbound, application) = (place.outbound.address, place.application.address);
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let membership = Membership {
            control_plane: Mesh::url(self.door.address),
            token_file: Some(self.template.tokens.path().join(service)),
            data: self.folder.path().join(service),
            advertise: None,
        };
        let options = Options {
            outbound,
            inbound: free,
            admin: free,
            app: (service != CUSTOMERS).then_some(application),
            ..Options::member(service, membership)
        };
        let sidecar = Sidecar::start(options).await.expect("it starts");
        self.sidecars.push(sidecar);
        if service == CUSTOMERS {
            self.open(outbound);
        }
    }

    fn start_application(&mut self, service: &'static str) {
        let place = self.place(service);
        let options = outrider_examples::Options {
            name: service.to_owned(),
            listen: place.application.address,
            upstream: place.outbound.address,
        };
        let service = service.parse::<Service>().expect("a service of the shop");
        self.applications.spawn(async move {
            let served = serve_until(service, options, |_| {}, std::future::pending()).await;
            served.expect("it listens");
        });
    }

    /// The customers come, all at once.
    fn open(&mut self, entry: SocketAddr) {
        let shop = FrontendClient::with_origin(upstream(), origin(entry));
        for number in 0..CALLS {
            self.calls.spawn(call(shop.clone(), number));
        }
    }

    fn place(&self, service: &str) -> &Place {
        let place = self.places.iter().find(|place| place.service == service);
        place.expect("a service of the shop")
    }

    /// The calls that did not end well, by what they say.
    async fn lost(&mut self) -> Vec<String> {
        let mut lost = Vec::new();
        while let Some(ended) = self.calls.join_next().await {
            let ended = ended.expect("no panic");
            lost.extend(ended.err().map(|status| status.to_string()));
        }
        lost
    }

    async fn stop(mut self) {
        // Their ends wait for threads.
        let sidecars = std::mem::take(&mut self.sidecars);
        spawn_blocking(|| drop(sidecars)).await.expect("no panic");
        if let Some(control_plane) = self.control_plane.take() {
            control_plane.stop().await;
        }
    }
}

async fn call(mut shop: FrontendClient<Upstream>, number: u64) -> Result<(), Status> {
    match number % 4 {
        0 => {
            let article = "bread".to_owned();
            shop.checkout(Item { article, pieces: 1 }).await?;
        }
        _ => drop(shop.show_order(OrderId { id: number }).await?),
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a folder is made");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).expect("a file is copied")),
        }
    }
}

/// The order of that number. Even ones are drawn (xorshift64), odd ones are the one before, reversed.
fn order(number: usize) -> Vec<Process> {
    let mut processes = PROCESSES.to_vec();
    let mut state = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(number as u64 / 2 + 1);
    for last in (1..processes.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        processes.swap(last, (state % (last as u64 + 1)) as usize);
    }
    if number % 2 == 1 {
        processes.reverse();
    }
    processes
}

/// Starts the shops of one lane, one after the other; gives what was lost, with its order.
async fn start_some(template: &Template, lane: usize) -> Vec<String> {
    let mut lost = Vec::new();
    for number in (lane..STARTS).step_by(AT_ONCE) {
        let mut shop = Shop::new(template);
        let order = order(number);
        for process in &order {
            shop.start(*process).await;
        }
        let of_these = shop.lost().await;
        if let Some(first) = of_these.first() {
            let count = of_these.len();
            lost.push(format!("start {number}, {order:?}: {count} lost: {first}"));
        }
        shop.stop().await;
    }
    lost
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_is_lost_in_whatever_order_a_shop_starts() {
    let template = Template::make().await;
    let lanes = async {
        tokio::join!(
            start_some(&template, 0),
            start_some(&template, 1),
            start_some(&template, 2),
            start_some(&template, 3),
        )
    };
    let (mut lost, b, c, d) = timeout(PATIENCE, lanes).await.expect("they all start");
    lost.extend(b.into_iter().chain(c).chain(d));
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}
