//! The server: does what the script of each call says.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, StreamingService};
use tonic::{Code, Request, Response, Status, Streaming};
use tower::Service;

use super::super::peer::GRPC_SERVICE;
use super::{Codec, Message, SCRIPT, messages, verb};

/// Starts it on a free port, as long as the runtime runs.
pub async fn start(streams_max: Option<u32>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let server = tonic::transport::Server::builder()
        .tcp_nodelay(true)
        .max_concurrent_streams(streams_max)
        .add_service(Echo)
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);
    address
}

#[derive(Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = GRPC_SERVICE;
}

type Boxed<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Boxed<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = Grpc::new(Codec::default()).max_decoding_message_size(usize::MAX);
            Ok(grpc.streaming(Answer, request).await)
        })
    }
}

struct Answer;

type Answers = ReceiverStream<Result<Message, Status>>;

impl StreamingService<Message> for Answer {
    type Response = Message;
    type ResponseStream = Answers;
    type Future = Boxed<Response<Answers>, Status>;

    fn call(&mut self, request: Request<Streaming<Message>>) -> Self::Future {
        Box::pin(async move {
            let (answers, receiver) = mpsc::channel(1);
            tokio::spawn(async move {
                if let Err(status) = answer(request, &answers).await {
                    answers.send(Err(status)).await.ok();
                }
            });
            Ok(Response::new(ReceiverStream::new(receiver)))
        })
    }
}

type Sender = mpsc::Sender<Result<Message, Status>>;

/// Returns when the script is done or the caller has gone.
async fn answer(request: Request<Streaming<Message>>, answers: &Sender) -> Result<(), Status> {
    let script = request.metadata().get_bin(SCRIPT);
    let script = script.and_then(|script| script.to_bytes().ok());
    let script = script.ok_or_else(|| Status::invalid_argument("no script"))?;
    let steps: Value = serde_json::from_slice(&script)
        .map_err(|error| Status::invalid_argument(error.to_string()))?;
    let mut requests = request.into_inner();
    for step in steps.as_array().into_iter().flatten() {
        let done = self::step(step, &mut requests, answers);
        tokio::select! {
            done = done => done?,
            () = answers.closed() => return Ok(()),
        }
    }
    Ok(())
}

async fn step(
    step: &Value,
    requests: &mut Streaming<Message>,
    answers: &Sender,
) -> Result<(), Status> {
    match verb(step) {
        ("send", what) => {
            for message in messages(what) {
                answers.send(Ok(message)).await.ok();
            }
        }
        ("echo", _) => {
            while let Some(message) = requests.message().await? {
                answers.send(Ok(message)).await.ok();
            }
        }
        ("read", what) => {
            let mut left = what.as_i64().unwrap_or(0);
            while left != 0 && requests.message().await?.is_some() {
                left -= 1;
            }
        }
        ("sleep", what) => {
            let span = Duration::from_millis(what.as_u64().unwrap_or(0));
            tokio::time::sleep(span).await;
        }
        ("hold", _) => std::future::pending().await,
        ("status", what) => {
            let code = what["code"]
                .as_i64()
                .and_then(|code| i32::try_from(code).ok());
            let words = what["message"].as_str().unwrap_or_default();
            return Err(Status::new(Code::from_i32(code.unwrap_or(2)), words));
        }
        (other, _) => return Err(Status::unimplemented(format!("tonic does not {other}"))),
    }
    Ok(())
}
