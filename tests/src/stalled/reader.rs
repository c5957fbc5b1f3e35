//! The caller whose calls stall.

use std::future::{Future, poll_fn};
use std::pin::Pin;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{Method, Request};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::Stall;
use crate::caller::Caller;
use crate::handlers::LARGE_BYTES;
use crate::hops::Way;

/// One connection with calls that stall for as long as it lives.
pub(super) struct Reader {
    stall: Stall,
    requests: SendRequest<Bytes>,
    /// The socket is neither read nor written while this is true.
    rests: watch::Sender<bool>,
    connection: AbortHandle,
}

impl Reader {
    pub(super) async fn start(way: &Way, stall: Stall) -> Reader {
        let socket = TcpStream::connect(way.address()).await;
        let socket = socket.expect("a connection");
        let _ = socket.set_nodelay(true);
        let mut builder = h2::client::Builder::new();
        match stall {
            Stall::ZeroWindow => builder.initial_window_size(0),
            // The rule that makes it possible: the connection's window holds all the streams'.
            Stall::UnreadAnswers => builder.initial_connection_window_size(64 << 20),
            Stall::UnreadSocket | Stall::DeafHandlers | Stall::DeafNarrowHandlers => &mut builder,
        };
        let made = builder.handshake(socket).await;
        let (requests, mut connection) = made.expect("a handshake");
        let (rests, mut resting) = watch::channel(false);
        let task = tokio::spawn(async move {
            loop {
                let goes = poll_fn(|context| Pin::new(&mut connection).poll(context));
                tokio::select! {
                    _ = goes => return,
                    rest = resting.wait_for(|rests| *rests) => drop(rest),
                }
                if resting.wait_for(|rests| !*rests).await.is_err() {
                    return;
                }
            }
        });
        Reader {
            stall,
            requests,
            rests,
            connection: task.abort_handle(),
        }
    }

    /// The same connection, for a victim.
    pub(super) fn caller(&self) -> Caller {
        Caller::over(self.requests.clone())
    }

    /// Begins `count` calls that stall; resolves when all are under way.
    pub(super) fn stall(&self, count: usize) -> impl Future<Output = ()> + use<> {
        let (stall, requests) = (self.stall, self.requests.clone());
        let rests = self.rests.clone();
        let calls = (0..count).map(|_| tokio::spawn(begin(stall, requests.clone())));
        let calls: Vec<_> = calls.collect();
        async move {
            for call in calls {
                let begun = call.await.expect("no panic");
                // What is held is not read; it is dropped with the connection.
                std::mem::forget(begun.expect("a call begins"));
            }
            if stall == Stall::UnreadSocket {
                rests.send_replace(true);
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

type Begun = (h2::client::ResponseFuture, h2::SendStream<Bytes>);

/// One call: what is returned keeps it alive, and unread.
async fn begin(stall: Stall, requests: SendRequest<Bytes>) -> Result<Begun, h2::Error> {
    let is_upload = stall.is_upload();
    let method = if is_upload { "Deaf" } else { "Large" };
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://orders/shop.v1.Orders/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .expect("a request");
    let mut requests = requests.ready().await?;
    let (response, mut stream) = requests.send_request(request, !is_upload)?;
    if is_upload {
        stream.send_data(Bytes::from_static(&[2; LARGE_BYTES]), true)?;
    }
    Ok((response, stream))
}
