//! The listeners: opening them, and accepting without ever spinning.
//!
//! Every worker has listeners of its own on the same addresses (SO_REUSEPORT); the kernel spreads
//! new connections over them. Knows nothing of what comes through.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use outrider_engine::Side;
use outrider_policy::{ConnectionSide, Pressure, Tick};
use socket2::{Domain, Protocol, Socket, Type};

use super::descriptors::{Descriptors, Permit};
use crate::error::StartupError;
use crate::options::Options;

/// Connections the kernel holds for us while we are busy. 4,096, what Linux allows by default: a
/// restarted service is found by all its callers at once.
const BACKLOG: i32 = 4_096;

/// Pause after there was no socket for us (file descriptors or memory are spent). Long enough not to
/// spin, short enough that the backlog of a busy listener does not overflow and that nobody waits long
/// once there are some again.
const PAUSE: Duration = Duration::from_millis(100);

/// Connections accepted from one listener in a turn, so that a flood of them leaves time for the
/// connections that are open.
const ACCEPTS_PER_TURN: usize = 64;

const OUTBOUND: Token = Token(usize::MAX - 1);
const INBOUND: Token = Token(usize::MAX - 2);

/// The addresses in use, with the ports the system picked for `:0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Of the outbound listener.
    pub outbound: SocketAddr,
    /// Of the inbound listener, if there is one.
    pub inbound: Option<SocketAddr>,
}

/// The listeners of one worker.
#[derive(Debug, Default)]
pub struct Listeners {
    listeners: Vec<Listener>,
}

#[derive(Debug)]
struct Listener {
    side: Side,
    socket: TcpListener,
    /// A connection may be waiting: set by the poll, cleared when there was none.
    ready: bool,
    /// Not before this time, after there was no socket for us.
    paused_until: Option<Tick>,
    /// A pause was logged, and not yet its end.
    is_short: bool,
}

/// What there is for one more connection.
#[derive(Clone, Copy, Debug)]
pub struct AcceptBudget<'a> {
    pub descriptors: &'a Descriptors,
    pub pressure: Pressure,
}

impl AcceptBudget<'_> {
    fn permit(self) -> Result<Permit, Shortage> {
        match self.pressure {
            Pressure::Low | Pressure::High => {
                let permit = self.descriptors.permit(ConnectionSide::Downstream);
                permit.ok_or(Shortage::Descriptors)
            }
            Pressure::Critical => Err(Shortage::Memory),
        }
    }
}

/// Why no connection is accepted for now.
#[derive(Debug, thiserror::Error)]
enum Shortage {
    #[error("the file descriptors for connections from callers are in use")]
    Descriptors,
    #[error("the process is near its memory limit")]
    Memory,
    #[error(transparent)]
    System(#[from] io::Error),
}

/// Opens the listeners of all workers.
///
/// # Errors
/// [`StartupError::Listen`] with the address and the flag that sets it.
pub fn open(options: &Options) -> Result<(Addresses, Vec<Listeners>), StartupError> {
    let mut workers: Vec<Listeners> = (0..options.workers).map(|_| Listeners::default()).collect();
    let outbound = open_side(Side::Outbound, options.outbound, &mut workers)?;
    let inbound = match options.app {
        Some(_) => Some(open_side(Side::Inbound, options.inbound, &mut workers)?),
        None => None,
    };
    Ok((Addresses { outbound, inbound }, workers))
}

/// Gives each of `workers` a listener on `address`; returns the address in use.
fn open_side(
    side: Side,
    address: SocketAddr,
    workers: &mut [Listeners],
) -> Result<SocketAddr, StartupError> {
    let (flag, name) = match side {
        Side::Outbound => ("--outbound", "outbound calls"),
        Side::Inbound => ("--inbound", "inbound calls"),
    };
    let failed = |source| StartupError::Listen {
        address,
        side: name,
        flag,
        source,
    };
    let (address, listeners) = listen_all(address, workers.len()).map_err(failed)?;
    for (worker, listener) in workers.iter_mut().zip(listeners) {
        worker.listeners.push(Listener::new(side, listener));
    }
    Ok(address)
}

fn listen_all(address: SocketAddr, count: usize) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    let shared = count > 1;
    if shared && address.port() != 0 {
        // Another process that shares its port too would silently get half of our connections: a
        // listener that shares with nobody shows that we are alone.
        drop(listen(address, false)?);
    }
    let first = listen(address, shared)?;
    // With port 0 the others must follow the first.
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..count {
        listeners.push(listen(address, shared)?);
    }
    Ok((address, listeners))
}

fn listen(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

impl Listeners {
    /// Puts all listeners under the poll.
    pub fn register(&mut self, registry: &Registry) -> io::Result<()> {
        let mut listeners = self.listeners.iter_mut();
        listeners.try_for_each(|listener| {
            registry.register(
                &mut listener.socket,
                token(listener.side),
                Interest::READABLE,
            )
        })
    }

    /// Notes that connections wait. Returns `false` for a token that is not a listener's.
    pub fn note(&mut self, noted: Token) -> bool {
        let known = noted == OUTBOUND || noted == INBOUND;
        let listeners = self.listeners.iter_mut();
        listeners
            .filter(|listener| token(listener.side) == noted)
            .for_each(|listener| listener.ready = true);
        known
    }

    /// Accepts what waits, within this turn's share and while there is `budget`.
    pub fn accept(
        &mut self,
        now: Tick,
        budget: AcceptBudget<'_>,
        mut take: impl FnMut(Side, (TcpStream, Permit), SocketAddr),
    ) {
        for listener in &mut self.listeners {
            listener.accept(now, budget, &mut take);
        }
    }

    /// When to try again; `now` or earlier means at once.
    pub fn wake_at(&self) -> Option<Tick> {
        let ready = self.listeners.iter().filter(|listener| listener.ready);
        ready
            .map(|listener| listener.paused_until.unwrap_or(Tick::ZERO))
            .min()
    }

    /// Accepts nothing more on `side`; what waits in the kernel is refused by it.
    pub fn close(&mut self, side: Side) {
        self.listeners.retain(|listener| listener.side != side);
    }
}

impl Listener {
    fn new(side: Side, socket: TcpListener) -> Listener {
        Listener {
            side,
            socket,
            ready: false,
            paused_until: None,
            is_short: false,
        }
    }

    fn accept(
        &mut self,
        now: Tick,
        budget: AcceptBudget<'_>,
        take: &mut impl FnMut(Side, (TcpStream, Permit), SocketAddr),
    ) {
        if !self.ready || self.paused_until.is_some_and(|until| now < until) {
            return;
        }
        self.paused_until = None;
        for _ in 0..ACCEPTS_PER_TURN {
            let permit = budget.permit();
            let accepted = permit.and_then(|permit| self.accept_one(permit, take));
            if let Err(shortage) = accepted {
                return self.pause(now, budget.descriptors, &shortage);
            }
            if !self.ready {
                return;
            }
        }
    }

    fn accept_one(
        &mut self,
        permit: Permit,
        take: &mut impl FnMut(Side, (TcpStream, Permit), SocketAddr),
    ) -> Result<(), Shortage> {
        let error = match self.socket.accept() {
            Ok((stream, peer)) => {
                take(self.side, (stream, permit), peer);
                return Ok(());
            }
            Err(error) => error,
        };
        match error.kind() {
            ErrorKind::WouldBlock => {
                self.caught_up();
                Ok(())
            }
            // The peer left before we came, or a signal did: the next one may be fine.
            ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted => {
                Ok(())
            }
            _ => Err(error.into()),
        }
    }

    /// Nobody waits any more.
    fn caught_up(&mut self) {
        self.ready = false;
        if std::mem::take(&mut self.is_short) {
            tracing::info!(side = self.side.name(), "connections are accepted again");
        }
    }

    fn pause(&mut self, now: Tick, descriptors: &Descriptors, shortage: &Shortage) {
        self.paused_until = Some(now + PAUSE);
        if !std::mem::replace(&mut self.is_short, true) {
            descriptors.note_pause();
            tracing::warn!(side = self.side.name(), %shortage, "no connections are accepted for now");
        }
    }
}

fn token(side: Side) -> Token {
    match side {
        Side::Outbound => OUTBOUND,
        Side::Inbound => INBOUND,
    }
}
