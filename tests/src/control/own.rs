//! Servers of ours, which do what no library's server does.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// Longest silence on a connection.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// Serves each connection with `converse` until the process ends, on a thread of its own: what reads
/// fields stays on one.
///
/// # Panics
/// When the system has no port or no thread.
pub(super) fn serve<F: Future<Output = ()> + 'static>(converse: fn(TcpStream) -> F) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("it obeys");
    let address = listener.local_addr().expect("an address");
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().expect("a runtime");
    std::thread::spawn(move || {
        let here = LocalSet::new();
        here.block_on(&runtime, async move {
            let listener = TcpListener::from_std(listener).expect("the runtime takes it");
            while let Ok((socket, _)) = listener.accept().await {
                tokio::task::spawn_local(converse(socket));
            }
        });
    });
    address
}
