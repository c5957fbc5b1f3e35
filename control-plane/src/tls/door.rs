//! Where connections come in: accepts, shakes hands, passes on who it is.
//!
//! Survives what a peer or the system does to it: a handshake has its time and its number, and
//! when there are no more descriptors it waits until there are.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::connection::Connection;
use super::name::Named;
use super::verify::Believed;
use super::{believed, server_config};
use crate::authority::Authority;
use crate::caller::{Caller, Identity};
use crate::clock;

/// Longest time of a handshake. A slower client is no client of ours.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Handshakes at once; further clients wait in the kernel's backlog. 512: some milliseconds of
/// work each, done within their timeout by two cores.
const HANDSHAKES_MAX: usize = 512;

/// Pause after an accept that failed, so that "too many open files" is no busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The listener and what it shows.
pub struct Door {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    believed: Believed,
}

impl Door {
    /// A door at `listener` for whom `authority` has given a certificate, and for strangers.
    ///
    /// # Errors
    /// rustls does not know its own TLS 1.3, which would be our bug.
    pub fn new(listener: TcpListener, authority: &Authority) -> Result<Door, rustls::Error> {
        Ok(Door {
            listener,
            acceptor: TlsAcceptor::from(server_config(authority)?),
            believed: believed(authority),
        })
    }

    /// Lets connections in until nobody takes them.
    pub async fn run(self, connections: mpsc::Sender<Connection>) {
        let mut handshakes = JoinSet::new();
        loop {
            tokio::select! {
                () = connections.closed() => return,
                accepted = self.listener.accept(), if handshakes.len() < HANDSHAKES_MAX => {
                    match accepted {
                        Ok((socket, from)) => {
                            let from = from.ip().to_canonical();
                            handshakes.spawn(self.let_in(socket, from, connections.clone()));
                        }
                        Err(error) => self.pause(&error).await,
                    }
                }
                Some(_) = handshakes.join_next() => {}
            }
        }
    }

    fn let_in(
        &self,
        socket: TcpStream,
        from: IpAddr,
        connections: mpsc::Sender<Connection>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let acceptor = self.acceptor.clone();
        let believed = self.believed.clone();
        async move {
            match timeout(
                HANDSHAKE_TIMEOUT,
                shake_hands(acceptor, believed, socket, from),
            )
            .await
            {
                // Fails only when the process stops.
                Ok(Ok(connection)) => drop(connections.send(connection).await),
                Ok(Err(error)) => tracing::debug!(%error, "handshake refused"),
                Err(_) => tracing::debug!("handshake too slow"),
            }
        }
    }

    async fn pause(&self, error: &io::Error) {
        tracing::warn!(%error, "connection not accepted");
        sleep(ACCEPT_PAUSE).await;
    }
}

async fn shake_hands(
    acceptor: TlsAcceptor,
    mut believed: Believed,
    socket: TcpStream,
    from: IpAddr,
) -> io::Result<Connection> {
    socket.set_nodelay(true)?;
    // A root that retires from here on is noticed, also while hands are shaken.
    believed.bundle.mark_unchanged();
    let stream = acceptor.accept(socket).await?;
    let (_, tls) = stream.get_ref();
    let chain: Vec<_> = tls.peer_certificates().unwrap_or_default().to_vec();
    let identity = match chain.first() {
        None => Identity::Anonymous,
        Some(leaf) => {
            let named = Named::of(leaf).map_err(io::Error::other)?;
            let identity = named.identity(&believed.trust_domain);
            identity.map_err(io::Error::other)?
        }
    };
    let distrusted =
        believed.until_distrusted(chain.into_iter().map(CertificateDer::into_owned).collect());
    Ok(Connection::new(
        stream,
        Caller { identity, from },
        clock::unix_ms(),
        distrusted,
    ))
}
