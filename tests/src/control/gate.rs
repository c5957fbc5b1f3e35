//! A port before a server at which nobody listens at first.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::tools::free_address;

/// It stays at one address, open or not.
pub(super) struct Gate {
    pub(super) address: SocketAddr,
    server: SocketAddr,
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
        let address = free_address();
        Gate { address, server }
    }

    /// Connections are refused for `span` yet.
    pub(super) fn opens_after(&self, span: Duration) -> Opening {
        let (address, server) = (self.address, self.server);
        Opening(tokio::spawn(async move {
            sleep(span).await;
            let listener = TcpListener::bind(address).await.expect("its own port");
            let mut open = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                open.spawn(relay(near, server));
            }
        }))
    }
}

async fn relay(mut near: TcpStream, server: SocketAddr) {
    if let Ok(mut far) = TcpStream::connect(server).await {
        near.set_nodelay(true).ok();
        far.set_nodelay(true).ok();
        copy_bidirectional(&mut near, &mut far).await.ok();
    }
}
