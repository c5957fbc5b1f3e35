//! Where connections come in: accepts, shakes hands, passes on who it is.
//!
//! Survives what a peer or the system does to it: a handshake has its time, each class of guests its
//! number ([`super::connection_limits`]), and when there are no more descriptors all the same it waits until there
//! are.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use outrider_causes::{Dates, cause, is_disbelief};
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
use super::connection_limits::{Guests, Seat};
use super::name::identity_of;
use super::trust::Roots;
use super::{roots, server_config};
use crate::authority::Authority;
use crate::clock;
use crate::members::caller::{Caller, Identity};
use crate::members::rate_limit::{Allowances, Rate};

/// Longest time of a handshake. A slower client is no client of ours.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Warnings of connections that were refused: 8 in 10 s. A sidecar that is not believed tries every few
/// seconds.
const WARNINGS: Rate = Rate {
    most: 8,
    window: Duration::from_secs(10),
};

/// Pause after an accept that failed, so that "too many open files" is no busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The listener and what it shows.
pub struct Door {
    listener: TcpListener,
    guests: Guests,
    config: Arc<ServerConfig>,
    roots: Roots,
    own: watch::Receiver<Arc<CertifiedKey>>,
    warnings: Arc<Allowances<()>>,
}

impl Door {
    /// A door at `listener` for whom `authority` has given a certificate, and for strangers.
    ///
    /// # Errors
    /// rustls does not know its own TLS 1.3, which would be our bug.
    pub fn new(
        listener: TcpListener,
        guests: Guests,
        authority: &Authority,
    ) -> Result<Door, rustls::Error> {
        Ok(Door {
            listener,
            guests,
            config: server_config(authority)?,
            roots: roots(authority),
            own: authority.own(),
            warnings: Arc::new(Allowances::new(WARNINGS)),
        })
    }

    /// Lets connections in until nobody takes them.
    pub async fn run(self, connections: mpsc::Sender<Connection>) {
        let mut handshakes = JoinSet::new();
        loop {
            tokio::select! {
                () = connections.closed() => return,
                accepted = self.listener.accept() => match accepted {
                    Ok((socket, from)) => {
                        let from = from.ip().to_canonical();
                        handshakes.spawn(self.let_in(socket, from, connections.clone()));
                    }
                    Err(error) => self.pause(&error).await,
                },
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
        let (seat, mut gone) = self.guests.arrive(from);
        let (config, mut roots) = (Arc::clone(&self.config), self.roots.clone());
        let (own, warnings) = (self.own.clone(), Arc::clone(&self.warnings));
        async move {
            // A root that retires from here on is noticed, also while hands are shaken.
            roots.bundle.mark_unchanged();
            let shaking = shake_hands(config, &roots.trust_domain, socket, &seat);
            let shaken = tokio::select! {
                shaken = timeout(HANDSHAKE_TIMEOUT, shaking) => shaken,
                () = gone.wait() => Ok(Err(io::Error::other("too many others are here"))),
            };
            match shaken {
                Ok(Ok((stream, identity, chain))) => {
                    let caller = Caller { identity, from };
                    let distrusted = roots.until_distrusted(chain);
                    let connection = Connection::new(stream, caller, clock::unix_ms(), distrusted);
                    // Fails only when the process stops.
                    drop(connections.send(connection.seated(seat, gone)).await);
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

/// The dates of the certificate that we show.
fn dates(own: &watch::Receiver<Arc<CertifiedKey>>) -> Option<Dates> {
    let own = own.borrow();
    Dates::of(own.cert.first()?, clock::unix_seconds())
}

/// Who shows a certificate that is not believed, or does not believe ours, was meant to be a member: an
/// operator should know. Anything else may be anybody.
fn note_refused(from: IpAddr, error: &io::Error, own: Option<Dates>, warnings: &Allowances<()>) {
    let problem = cause(error, own);
    if is_disbelief(error) && warnings.take((), clock::now()) {
        tracing::warn!(%from, problem, "connection refused");
    } else {
        tracing::debug!(%from, problem, "handshake refused");
    }
}

/// Who it is, and the chain that says so, leaf first.
type Hands = (TlsStream<TcpStream>, Identity, Vec<CertificateDer<'static>>);

async fn shake_hands(
    config: Arc<ServerConfig>,
    trust_domain: &str,
    socket: TcpStream,
    seat: &Seat,
) -> io::Result<Hands> {
    socket.set_nodelay(true)?;
    let begun = LazyConfigAcceptor::new(Acceptor::default(), socket).await?;
    seat.spoke();
    let stream = begun.into_stream(config).await?;
    let (_, tls) = stream.get_ref();
    let chain = tls.peer_certificates().unwrap_or_default().iter();
    let chain: Vec<_> = chain.map(|der| der.clone().into_owned()).collect();
    let identity = match chain.first() {
        None => Identity::Anonymous,
        Some(leaf) => {
            let svid = Svid::parse(leaf).map_err(io::Error::other)?;
            identity_of(svid, trust_domain).map_err(io::Error::other)?
        }
    };
    seat.settle(&identity)
        .inspect_err(|error| tracing::warn!(?identity, %error, "connection refused"))
        .map_err(io::Error::other)?;
    Ok((stream, identity, chain))
}
