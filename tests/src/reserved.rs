//! An address that is free until the test says otherwise.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// An address of 127.0.0.1 where no process listens, and that the system gives to no other: a
/// socket is bound to it, and does not listen. Who asks for exactly this address, with
/// `SO_REUSEADDR` as every listener here, may listen there (socket(7)).
#[derive(Debug)]
pub struct Reserved {
    /// The address.
    pub address: SocketAddr,
    _socket: TcpSocket,
}

impl Reserved {
    /// Takes one that is free.
    ///
    /// # Panics
    /// There is none.
    pub fn take() -> Reserved {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option that is known");
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(free).expect("a free port");
        Reserved {
            address: socket.local_addr().expect("an address"),
            _socket: socket,
        }
    }
}
