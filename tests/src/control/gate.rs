//! A port before a server at which nobody listens at first.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

/// It stays at one address, open or not.
pub(super) struct Gate {
    pub(super) address: SocketAddr,
    server: SocketAddr,
    /// Bound and never listening: while the gate is closed, no other program gets its port.
    _held: TcpSocket,
}

/// Closes the gate, and what came through it, when dropped.
pub(super) struct Opening(JoinHandle<()>);

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Gate {
    pub(super) fn before(server: SocketAddr) -> Gate {
        let held = bound((Ipv4Addr::LOCALHOST, 0).into());
        Gate {
            address: held.local_addr().expect("a bound socket has an address"),
            server,
            _held: held,
        }
    }

    /// Connections are refused for `span` yet.
    pub(super) fn opens_after(&self, span: Duration) -> Opening {
        let (address, server) = (self.address, self.server);
        Opening(tokio::spawn(async move {
            sleep(span).await;
            let listener = bound(address).listen(1_024).expect("its own port");
            let mut open = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                open.spawn(relay(near, server));
            }
        }))
    }
}

/// Linux lets several sockets have one port while at most one of them listens (`SO_REUSEADDR`).
fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option of sockets");
    socket.bind(address).expect("its own port");
    socket
}

async fn relay(mut near: TcpStream, server: SocketAddr) {
    if let Ok(mut far) = TcpStream::connect(server).await {
        near.set_nodelay(true).ok();
        far.set_nodelay(true).ok();
        copy_bidirectional(&mut near, &mut far).await.ok();
    }
}
