//! The TLS listener: accepts connections, runs handshakes and passes authenticated connections on.
//!
//! A handshake has a timeout, each kind of connection a limit ([`super::connection_limits`]); when
//! descriptors run out all the same, the listener pauses and tries again.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use outrider_causes::{CertificateDates, describe_cause, is_certificate_rejection};
use outrider_identity::Svid;
use rustls::ServerConfig;
use rustls::server::Acceptor;
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::connection::Connection;
use super::connection_limits::{ConnectionLimiter, ConnectionSlot};
use super::name::identity_of;
use super::trust::Roots;
use super::{roots, server_config};
use crate::authority::Authority;
use crate::clock;
use crate::members::caller::{Caller, Identity};
use crate::members::rate_limit::{Rate, RateLimiter};

/// Longest time of a handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Warnings about refused connections: 8 in 10 s. A sidecar that is refused tries every few seconds.
const WARNINGS: Rate = Rate {
    max: 8,
    window: Duration::from_secs(10),
};

/// Pause after an accept that failed, so that "too many open files" is no busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The listener.
pub struct Listener {
    socket: TcpListener,
    limiter: ConnectionLimiter,
    config: Arc<ServerConfig>,
    roots: Roots,
    own: watch::Receiver<Arc<CertifiedKey>>,
    warnings: Arc<RateLimiter<()>>,
}

impl Listener {
    /// Listens at `socket` for clients with a certificate of `authority` and for anonymous ones.
    ///
    /// # Errors
    /// rustls does not know its own TLS 1.3, which would be our bug.
    pub fn new(
        socket: TcpListener,
        limiter: ConnectionLimiter,
        authority: &Authority,
    ) -> Result<Listener, rustls::Error> {
        Ok(Listener {
            socket,
            limiter,
            config: server_config(authority)?,
            roots: roots(authority),
            own: authority.own(),
            warnings: Arc::new(RateLimiter::new(WARNINGS)),
        })
    }

    /// Accepts connections until the receiver of `connections` is dropped.
    pub async fn run(self, connections: mpsc::Sender<Connection>) {
        let mut handshakes = JoinSet::new();
        loop {
            tokio::select! {
                () = connections.closed() => return,
                accepted = self.socket.accept() => match accepted {
                    Ok((socket, from)) => {
                        let from = from.ip().to_canonical();
                        handshakes.spawn(self.admit(socket, from, connections.clone()));
                    }
                    Err(error) => self.pause(&error).await,
                },
                Some(_) = handshakes.join_next() => {}
            }
        }
    }

    fn admit(
        &self,
        socket: TcpStream,
        from: IpAddr,
        connections: mpsc::Sender<Connection>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (slot, mut evicted) = self.limiter.accept(from);
        let (config, mut roots) = (Arc::clone(&self.config), self.roots.clone());
        let (own, warnings) = (self.own.clone(), Arc::clone(&self.warnings));
        async move {
            // A root that retires from here on is noticed, also during the handshake.
            roots.bundle.mark_unchanged();
            let handshake = handshake(config, &roots.trust_domain, socket, &slot);
            let outcome = tokio::select! {
                outcome = timeout(HANDSHAKE_TIMEOUT, handshake) => outcome,
                () = evicted.wait() => Ok(Err(io::Error::other("too many connections"))),
            };
            match outcome {
                Ok(Ok((stream, identity, chain))) => {
                    let caller = Caller { identity, from };
                    let distrusted = roots.until_distrusted(chain);
                    let connection = Connection::new(stream, caller, clock::unix_ms(), distrusted);
                    // Fails only when the process stops.
                    drop(connections.send(connection.with_slot(slot, evicted)).await);
                }
                Ok(Err(error)) => note_refused(from, &error, dates(&own), &warnings),
                Err(_) => tracing::debug!(%from, "handshake too slow"),
            }
        }
    }

    async fn pause(&self, error: &io::Error) {
        tracing::warn!(%error, "connection not accepted");
        sleep(ACCEPT_PAUSE).await;
    }
}

/// The dates of the control plane's certificate.
fn dates(own: &watch::Receiver<Arc<CertifiedKey>>) -> Option<CertificateDates> {
    let own = own.borrow();
    CertificateDates::of(own.cert.first()?, clock::unix_seconds())
}

/// A client with a certificate that is not accepted, or that does not accept ours, was meant to be a
/// member: the operator gets a warning. Other failures may come from any client.
fn note_refused(
    from: IpAddr,
    error: &io::Error,
    own: Option<CertificateDates>,
    warnings: &RateLimiter<()>,
) {
    let problem = describe_cause(error, own);
    if is_certificate_rejection(error) && warnings.take((), clock::now()) {
        tracing::warn!(%from, problem, "connection refused");
    } else {
        tracing::debug!(%from, problem, "handshake refused");
    }
}

/// The TLS stream, the client's identity and its certificate chain, leaf first.
type Handshake = (TlsStream<TcpStream>, Identity, Vec<CertificateDer<'static>>);

async fn handshake(
    config: Arc<ServerConfig>,
    trust_domain: &str,
    socket: TcpStream,
    slot: &ConnectionSlot,
) -> io::Result<Handshake> {
    socket.set_nodelay(true)?;
    let begun = LazyConfigAcceptor::new(Acceptor::default(), socket).await?;
    slot.hello_received();
    let stream = begun.into_stream(config).await?;
    let (_, tls) = stream.get_ref();
    let chain = tls.peer_certificates().unwrap_or_default().iter();
    let chain: Vec<_> = chain.map(|der| der.clone().into_owned()).collect();
    let identity = match chain.first() {
        None => Identity::Anonymous,
        Some(leaf) => {
            let svid = Svid::parse(leaf).map_err(io::Error::other)?;
            identity_of(&svid, trust_domain).map_err(io::Error::other)?
        }
    };
    slot.identify(&identity)
        .inspect_err(|error| tracing::warn!(?identity, %error, "connection refused"))
        .map_err(io::Error::other)?;
    Ok((stream, identity, chain))
}
