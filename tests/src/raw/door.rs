//! Where a raw connection goes, and what it is wrapped in: nothing, or TLS.

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::joiner::secure;

/// A port, and how it is spoken to.
#[derive(Clone, Debug)]
pub struct Door {
    /// The port.
    pub address: SocketAddr,
    /// TLS around all octets.
    pub tls: Option<Arc<ClientConfig>>,
}

impl From<SocketAddr> for Door {
    fn from(address: SocketAddr) -> Door {
        Door { address, tls: None }
    }
}

impl Door {
    /// Goes through with a socket that is connected to it.
    pub(super) async fn enter(&self, socket: TcpStream) -> io::Result<Wire> {
        // A raw peer decides itself what goes out when.
        let _ = socket.set_nodelay(true);
        match &self.tls {
            None => Ok(Box::new(socket)),
            Some(tls) => Ok(Box::new(secure(socket, Arc::clone(tls)).await?)),
        }
    }
}

/// Octets both ways, wrapped or not.
pub type Wire = Box<dyn Socket>;

/// What a [`Wire`] may be.
pub trait Socket: AsyncRead + AsyncWrite + Unpin + Send + Sync + Debug {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync + Debug> Socket for T {}
