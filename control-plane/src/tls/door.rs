//! Where connections come in: accepts, shakes hands, passes on who it is.
//!
//! Survives what a peer or the system does to it: a handshake has its time and its number, and
//! when there are no more descriptors it waits until there are.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::connection::Connection;
use super::name::Named;
use crate::caller::Caller;
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
    trust_domain: Arc<str>,
}

impl Door {
    /// A door at `listener` for callers of `trust_domain`.
    pub fn new(listener: TcpListener, config: Arc<ServerConfig>, trust_domain: &str) -> Door {
        Door {
            listener,
            acceptor: TlsAcceptor::from(config),
            trust_domain: trust_domain.into(),
        }
    }

    /// Lets connections in until nobody takes them.
    pub async fn run(self, connections: mpsc::Sender<Connection>) {
        let mut handshakes = JoinSet::new();
        loop {
            tokio::select! {
                () = connections.closed() => return,
                accepted = self.listener.accept(), if handshakes.len() < HANDSHAKES_MAX => {
                    match accepted {
                        Ok((socket, _)) => {
                            handshakes.spawn(self.let_in(socket, connections.clone()));
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
        connections: mpsc::Sender<Connection>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let acceptor = self.acceptor.clone();
        let trust_domain = Arc::clone(&self.trust_domain);
        async move {
            match timeout(
                HANDSHAKE_TIMEOUT,
                shake_hands(acceptor, &trust_domain, socket),
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
    trust_domain: &str,
    socket: TcpStream,
) -> io::Result<Connection> {
    socket.set_nodelay(true)?;
    let stream = acceptor.accept(socket).await?;
    let (_, tls) = stream.get_ref();
    let leaf = tls.peer_certificates().and_then(<[_]>::first);
    let caller = match leaf {
        None => Caller::Anonymous,
        Some(leaf) => {
            let named = Named::of(leaf).map_err(io::Error::other)?;
            named.caller(trust_domain).map_err(io::Error::other)?
        }
    };
    Ok(Connection::new(stream, caller, clock::unix_ms()))
}
