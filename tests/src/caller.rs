//! A caller: the application at the near end of the mesh, one HTTP/2 connection.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Method, Request};
use tokio::net::TcpStream;

/// One connection to a sidecar's outbound listener. Copies share the connection.
#[derive(Clone)]
pub struct Caller {
    requests: SendRequest<Bytes>,
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// The response's header block.
    pub headers: HeaderMap,
    /// The response's body.
    pub body: Vec<u8>,
    /// `grpc-status`, wherever it came.
    pub grpc_status: String,
    /// `grpc-message`, wherever it came.
    pub grpc_message: String,
}

impl Caller {
    /// Connects; the connection lives on the runtime of the test.
    pub async fn connect(address: SocketAddr) -> Caller {
        let socket = TcpStream::connect(address).await.expect("a connection");
        // A short call is not to wait for the acknowledgement of the one before.
        let _ = socket.set_nodelay(true);
        let (requests, connection) = h2::client::handshake(socket).await.expect("a handshake");
        tokio::spawn(connection);
        Caller { requests }
    }

    /// A caller over a connection that is there already.
    pub(crate) fn over(requests: SendRequest<Bytes>) -> Caller {
        Caller { requests }
    }

    /// A gRPC call to `path` of the service `authority`.
    ///
    /// # Errors
    /// When the call ends without a response: the stream was reset or the connection lost.
    pub async fn call(&self, authority: &str, path: &str, body: &[u8]) -> Result<Reply, h2::Error> {
        self.call_with(authority, path, body, &[]).await
    }

    /// A gRPC call with more `headers`.
    ///
    /// # Errors
    /// As [`Caller::call`].
    pub async fn call_with(
        &self,
        authority: &str,
        path: &str,
        body: &[u8],
        headers: &[(&str, &str)],
    ) -> Result<Reply, h2::Error> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://{authority}{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        let request = headers
            .iter()
            .fold(request, |request, (name, value)| {
                request.header(*name, *value)
            })
            .body(())
            .expect("a request");
        let mut requests = self.requests.clone().ready().await?;
        let (response, mut stream) = requests.send_request(request, false)?;
        stream.send_data(Bytes::copy_from_slice(body), true)?;
        let (head, mut body) = response.await?.into_parts();
        let mut reply = Reply {
            headers: head.headers,
            ..Reply::default()
        };
        while let Some(chunk) = body.data().await {
            let chunk = chunk?;
            body.flow_control().release_capacity(chunk.len())?;
            reply.body.extend_from_slice(&chunk);
        }
        let trailers = body.trailers().await?.unwrap_or_default();
        let find = |name| text(&trailers, name).or_else(|| text(&reply.headers, name));
        reply.grpc_status = find("grpc-status").unwrap_or_default();
        reply.grpc_message = find("grpc-message").unwrap_or_default();
        Ok(reply)
    }
}

fn text(fields: &HeaderMap, name: &str) -> Option<String> {
    fields
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}
