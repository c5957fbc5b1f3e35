//! One connection to the control plane: TCP, TLS 1.3, HTTP/2.
//!
//! Whom to believe, and what to show, is in the `ClientConfig`. A connection that has ended is not
//! made again behind anybody's back: it is over, and so are its streams.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use super::happy_eyeballs::connect_first;
use crate::clock::Clock;
use crate::control::answer::Answer;
use crate::control::resolve;

/// Longest time for TCP, TLS and HTTP/2 together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time for the lookup of the name before. 30 s: a first name server that is dead takes 5 s of
/// it for each name tried (`man resolv.conf`).
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection that goes silent is found after these two, open streams or not.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that was made.
#[derive(Clone, Debug)]
pub struct Connection {
    /// What calls go through.
    pub channel: Channel,
    /// Our own end.
    pub local: IpAddr,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The connection attempt failed.
    #[error("{control_plane} cannot be reached")]
    Unreachable {
        /// The control plane's address.
        control_plane: String,
        /// What the system said.
        source: io::Error,
    },
    /// No answer in time.
    #[error("{control_plane} does not answer within {} s", CONNECT_TIMEOUT.as_secs())]
    TimedOut {
        /// The control plane's address.
        control_plane: String,
    },
    /// One end rejected the other's certificate, or TLS failed.
    #[error("no TLS with {control_plane}")]
    Tls {
        /// The control plane's address.
        control_plane: String,
        /// What rustls said.
        source: io::Error,
    },
    /// It is no HTTP/2 server.
    #[error("no HTTP/2 with {control_plane}")]
    Http2 {
        /// The control plane's address.
        control_plane: String,
        /// What hyper said.
        source: tonic::transport::Error,
    },
}

/// Connects to `control_plane` under the rules of `tls`.
///
/// # Errors
/// [`ConnectError`] says how far it came.
pub async fn open(
    clock: Clock,
    control_plane: &Uri,
    tls: Arc<ClientConfig>,
) -> Result<Connection, ConnectError> {
    let addresses = addresses(clock, control_plane).await;
    let addresses = addresses.map_err(|source| unreachable(control_plane, source))?;
    let made = tokio::time::timeout(CONNECT_TIMEOUT, connect(addresses, control_plane, tls)).await;
    made.unwrap_or_else(|_| {
        let control_plane = control_plane.to_string();
        Err(ConnectError::TimedOut { control_plane })
    })
}

fn unreachable(control_plane: &Uri, source: io::Error) -> ConnectError {
    let control_plane = control_plane.to_string();
    ConnectError::Unreachable {
        control_plane,
        source,
    }
}

async fn connect(
    addresses: Vec<SocketAddr>,
    uri: &Uri,
    tls: Arc<ClientConfig>,
) -> Result<Connection, ConnectError> {
    let control_plane = uri.to_string();
    let dialled = dial(addresses).await;
    let (tcp, local, peer) = dialled.map_err(|source| unreachable(uri, source))?;
    // Never sent: the verifier looks at the URI name alone.
    let name = ServerName::IpAddress(peer.into());
    let secured = TlsConnector::from(tls).connect(name, tcp).await;
    let secured = secured.map_err(|source| ConnectError::Tls {
        control_plane: control_plane.clone(),
        source,
    })?;
    let mut once = Some(TokioIo::new(secured));
    let connector = service_fn(move |_: Uri| {
        let connection = once.take();
        async move { connection.ok_or_else(|| io::Error::other("the connection has ended")) }
    });
    let endpoint = Endpoint::from(uri.clone())
        .http2_keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true);
    let channel = endpoint.connect_with_connector(connector).await;
    let channel = channel.map_err(|source| ConnectError::Http2 {
        control_plane,
        source,
    })?;
    Ok(Connection { channel, local })
}

async fn dial(addresses: Vec<SocketAddr>) -> io::Result<(TcpStream, IpAddr, IpAddr)> {
    let tcp = connect_first(addresses, TcpStream::connect).await?;
    tcp.set_nodelay(true)?;
    let (local, peer) = (tcp.local_addr()?.ip(), tcp.peer_addr()?.ip());
    Ok((tcp, local, peer))
}

/// By the resolver that endpoints' names are asked of: the system's own needs files that a static
/// binary in an empty image does not have.
async fn addresses(clock: Clock, uri: &Uri) -> io::Result<Vec<SocketAddr>> {
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or_default();
    if let Ok(ip) = host.parse() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let lookup = resolve::lookup(clock, resolve::Files::default(), host.to_ascii_lowercase());
    let why = match tokio::time::timeout(LOOKUP_TIMEOUT, lookup).await {
        Ok(Answer::Resolved(found)) => {
            let addresses = found.addresses.into_iter();
            return Ok(addresses.map(|ip| SocketAddr::new(ip, port)).collect());
        }
        Ok(Answer::Nothing(why) | Answer::Failed(why)) => why,
        Err(_) => format!("no answer within {} s", LOOKUP_TIMEOUT.as_secs()),
    };
    Err(io::Error::other(format!("{host} does not resolve: {why}")))
}
