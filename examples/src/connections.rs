//! The shop's connections: HTTP/2 and nothing else.
//!
//! Neither end watches a clock. tonic's own server and channel would end a call when its
//! `grpc-timeout` is over, and hide whether the mesh does: here a call goes on until it is
//! answered or its stream is reset.

use std::{io, net::SocketAddr};

use hyper::server::conn::http2;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tonic::{body::Body, service::Routes, transport::Uri};

/// Carries calls to one address; copies share a connection.
pub type Upstream = Client<HttpConnector, Body>;

/// Connects with the first call.
pub fn upstream() -> Upstream {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build(connector)
}

/// What a client of the services at `address` puts before its paths.
pub fn origin(address: SocketAddr) -> Uri {
    let origin = Uri::builder()
        .scheme("http")
        .authority(address.to_string())
        .path_and_query("/");
    origin.build().unwrap_or_default()
}

/// Serves until `stopped`, then lets the calls in flight finish. A call whose stream is reset is
/// dropped where it stands.
///
/// # Errors
/// When the listener fails.
pub(crate) async fn answer(
    listener: TcpListener,
    routes: Routes,
    stopped: impl Future<Output = ()>,
) -> io::Result<()> {
    let service = TowerToHyperService::new(routes.prepare());
    let server = http2::Builder::new(TokioExecutor::new());
    let connections = GracefulShutdown::new();
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Some(socket) = usable(accepted)? else { continue };
                let connection = server.serve_connection(TokioIo::new(socket), service.clone());
                tokio::spawn(connections.watch(connection));
            }
            () = &mut stopped => break,
        }
    }
    drop(listener);
    connections.shutdown().await;
    Ok(())
}

/// `None` if the peer has gone already.
fn usable(accepted: io::Result<(TcpStream, SocketAddr)>) -> io::Result<Option<TcpStream>> {
    match accepted {
        Ok((socket, _)) => Ok(socket.set_nodelay(true).is_ok().then_some(socket)),
        Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => Ok(None),
        Err(error) => Err(error),
    }
}
