//! The process: its parts, its services, its tasks, its end.
//!
//! Everything that can be wrong is read and opened before anything runs; the ready line comes
//! last. Knows the parts, not their work: each has one line in [`services`] or in [`start_tasks`].

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use outrider_causes::describe;
use outrider_host::Rereads;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::interceptor::InterceptedService;
use tonic::service::{Interceptor, Routes};
use tonic::transport::Server;
use tonic::{Extensions, Request, Status};

use crate::admin::{self, OPEN_MESH};
use crate::authority::{self, CertificateAuthority, OperatorFolder};
use crate::clock;
use crate::members::caller;
use crate::members::mesh;
use crate::operator::Operator;
use crate::serve::error::StartupError;
use crate::serve::options::Options;
use crate::serve::parts::Parts;
use crate::storage::store;
use crate::tls::{Connection, Listener};

/// The addresses in use, with the ports the system picked for `:0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Addresses {
    /// Where sidecars and operators connect.
    pub listen: SocketAddr,
    /// Where the admin page and metrics are served.
    pub admin: SocketAddr,
}

/// After this long without traffic a connection gets an HTTP/2 PING.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// Time to answer the PING: a peer that vanished is found within 15 s.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Streams of one connection at once. 100; a sidecar has about five.
const STREAMS_MAX: u32 = 100;

/// Connections that wait between handshake and server. 16: the server takes them at once.
const CONNECTIONS_WAITING: usize = 16;

/// How long running work may go on when the process stops. With the end of the runtime this
/// stays below 2 s.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// Runs a control plane until `stops` gets a message or its sender is dropped; `rereads` makes it read
/// its folder again. `ready` is called when it serves.
pub async fn serve(
    options: Options,
    mut stops: mpsc::Receiver<()>,
    rereads: Rereads,
    ready: impl FnOnce(&Addresses),
) -> Result<(), StartupError> {
    options.check()?;
    let (stop, stopping) = watch::channel(false);
    let listener = bind(options.listen, "--listen").await?;
    let admin = bind(options.admin, "--admin").await?;
    let addresses = Addresses {
        listen: address(&listener)?,
        admin: address(&admin)?,
    };
    let opening = tokio::task::spawn_blocking(|| Parts::open(options, stopping)).await;
    let (parts, works) = opening.map_err(|_| StartupError::Ended("the opening of the store"))??;
    let mut tasks = start_tasks(&parts, works, rereads, admin)?;
    let mut server = tokio::spawn(serve_grpc(&parts, listener)?);
    tracing::info!(listen = %addresses.listen, admin = %addresses.admin, "ready");
    if parts
        .documents
        .desired()
        .borrow()
        .documents
        .allows_by_default()
    {
        tracing::warn!("{OPEN_MESH}");
    }
    ready(&addresses);

    let outcome = tokio::select! {
        _ = stops.recv() => Ok(()),
        name = tasks.first_end() => Err(StartupError::Ended(name)),
        _ = &mut server => Err(StartupError::Ended("the gRPC server")),
    };
    stop.send_replace(true);
    // Work that is not done by then ends with the runtime.
    let _ = timeout(STOP_GRACE, server).await;
    outcome
}

/// The gRPC services, each with its check of the caller, if it has one.
fn services(parts: &Parts) -> Routes {
    Routes::new(CertificateAuthority::service(parts))
        .add_service(only(caller::operator, Operator::service(parts)))
        .add_service(only(caller::any_sidecar, parts.mesh.ads()))
        .add_service(only(caller::any_sidecar, parts.mesh.announcements()))
}

/// Refuses other callers before an octet of the request is read.
fn only<S>(
    may_speak: fn(&Extensions) -> Result<(), Status>,
    service: S,
) -> InterceptedService<S, impl Interceptor + Clone> {
    InterceptedService::new(service, move |request: Request<()>| {
        may_speak(request.extensions()).map(|()| request)
    })
}

/// The tasks beside the services. If one ends, the process ends.
fn start_tasks(
    parts: &Parts,
    mesh: mesh::Tasks,
    rereads: Rereads,
    admin: TcpListener,
) -> Result<Tasks, StartupError> {
    let mut tasks = Tasks::default();
    let operator_folder =
        OperatorFolder::open(&parts.authority, &parts.options.data, clock::unix_seconds())?;
    tasks.spawn(
        "the renewal of credentials",
        authority::run(parts.authority.clone(), operator_folder),
    );
    let documents = parts.documents.clone();
    tasks.spawn("the watch of documents", async move {
        documents.follow_folder(rereads).await
    });
    tasks.spawn(
        "the watch of the store",
        store::record_health(parts.store.clone(), parts.journal.clone()),
    );
    tasks.spawn("the registry", mesh.registrar.run());
    tasks.spawn("the publisher", mesh.publisher.run());
    tasks.spawn("the admin page", admin::serve(admin, parts.clone()));
    Ok(tasks)
}

/// The gRPC server behind its TLS listener; ends when the process stops and all calls have ended.
fn serve_grpc(
    parts: &Parts,
    socket: TcpListener,
) -> Result<impl Future<Output = ()> + Send + use<>, StartupError> {
    let listener = Listener::new(socket, parts.connections.clone(), &parts.authority);
    let listener =
        listener.map_err(|error| StartupError::system("TLS", io::Error::other(error)))?;
    let (connections, incoming) = mpsc::channel(CONNECTIONS_WAITING);
    let incoming = ReceiverStream::new(incoming).map(Ok::<Connection, Infallible>);
    let [server_stops, listener_stops] = [(); 2].map(|()| stopped(parts.stopping.clone()));
    let server = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .max_concurrent_streams(STREAMS_MAX)
        .add_routes(services(parts))
        .serve_with_incoming_shutdown(incoming, server_stops);
    let listening = async move {
        tokio::select! {
            () = listener.run(connections) => {}
            () = listener_stops => {}
        }
    };
    Ok(async move {
        let (ended, ()) = tokio::join!(server, listening);
        if let Err(error) = ended {
            tracing::error!(problem = describe(&error, None), "the gRPC server failed");
        }
    })
}

/// Returns when the process stops.
async fn stopped(mut stopping: watch::Receiver<bool>) {
    // Fails when `serve` is gone: then we stop all the more.
    let _ = stopping.wait_for(|stops| *stops).await;
}

async fn bind(address: SocketAddr, flag: &'static str) -> Result<TcpListener, StartupError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| StartupError::Listen {
        address,
        flag,
        source,
    })
}

fn address(listener: &TcpListener) -> Result<SocketAddr, StartupError> {
    let address = listener.local_addr();
    address.map_err(|error| StartupError::system("a listener", error))
}

/// Tasks that run as long as the process; dropped, they end.
#[derive(Debug, Default)]
struct Tasks(JoinSet<&'static str>);

impl Tasks {
    fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(async move {
            task.await;
            name
        });
    }

    /// The name of the first task that ends, which none should.
    async fn first_end(&mut self) -> &'static str {
        match self.0.join_next().await {
            Some(Ok(name)) => name,
            Some(Err(_)) | None => "a task that panicked",
        }
    }
}
