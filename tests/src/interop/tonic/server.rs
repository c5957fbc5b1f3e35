//! The interop server over tonic.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::codec::CompressionEncoding::Gzip;
use tonic::{Code, Request, Response, Status, Streaming};
use tower::layer::layer_fn;

use super::echo::Echo;
use super::payload;
use super::testing::test_service_server::{TestService, TestServiceServer};
use super::testing::{
    EchoStatus, Empty, SimpleRequest, SimpleResponse, StreamingInputCallRequest,
    StreamingInputCallResponse, StreamingOutputCallRequest, StreamingOutputCallResponse,
};

/// Starts it on a free port, as long as the runtime runs.
pub async fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let service = TestServiceServer::new(Server)
        .accept_compressed(Gzip)
        .send_compressed(Gzip);
    let server = tonic::transport::Server::builder()
        .tcp_nodelay(true)
        .layer(layer_fn(Echo))
        .add_service(service)
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);
    address
}

struct Server;

type Answers = ReceiverStream<Result<StreamingOutputCallResponse, Status>>;

#[tonic::async_trait]
impl TestService for Server {
    async fn empty_call(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        Ok(Response::new(Empty {}))
    }

    async fn unary_call(
        &self,
        request: Request<SimpleRequest>,
    ) -> Result<Response<SimpleResponse>, Status> {
        let request = request.into_inner();
        refuse_if_asked(request.response_status)?;
        let payload = payload(request.response_size);
        let mut response = Response::new(SimpleResponse { payload });
        if !request.response_compressed.is_some_and(|asked| asked.value) {
            response.disable_compression();
        }
        Ok(response)
    }

    type StreamingOutputCallStream = Answers;

    async fn streaming_output_call(
        &self,
        request: Request<StreamingOutputCallRequest>,
    ) -> Result<Response<Answers>, Status> {
        let request = request.into_inner();
        let compressed = |of: &super::testing::ResponseParameters| {
            of.compressed.is_some_and(|asked| asked.value)
        };
        let plain = !request.response_parameters.iter().any(compressed);
        let (answers, receiver) = mpsc::channel(1);
        tokio::spawn(async move { answer(request, &answers).await });
        let mut response = Response::new(ReceiverStream::new(receiver));
        if plain {
            response.disable_compression();
        }
        Ok(response)
    }

    async fn streaming_input_call(
        &self,
        request: Request<Streaming<StreamingInputCallRequest>>,
    ) -> Result<Response<StreamingInputCallResponse>, Status> {
        let mut requests = request.into_inner();
        let mut total = 0;
        while let Some(request) = requests.message().await? {
            total += request.payload.map_or(0, |payload| payload.body.len());
        }
        let aggregated_payload_size = i32::try_from(total).unwrap_or(i32::MAX);
        Ok(Response::new(StreamingInputCallResponse {
            aggregated_payload_size,
        }))
    }

    type FullDuplexCallStream = Answers;

    async fn full_duplex_call(
        &self,
        request: Request<Streaming<StreamingOutputCallRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let mut requests = request.into_inner();
        let (answers, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            // A request that breaks off has nobody to be answered.
            while let Ok(Some(request)) = requests.message().await {
                if answer(request, &answers).await.is_none() {
                    break;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn unimplemented_call(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        Err(Status::unimplemented("as the protocol asks"))
    }
}

fn refuse_if_asked(status: Option<EchoStatus>) -> Result<(), Status> {
    match status {
        Some(status) if status.code != 0 => {
            Err(Status::new(Code::from_i32(status.code), status.message))
        }
        Some(_) | None => Ok(()),
    }
}

/// Sends what `request` asks for; `None` when the call is over.
async fn answer(
    request: StreamingOutputCallRequest,
    answers: &mpsc::Sender<Result<StreamingOutputCallResponse, Status>>,
) -> Option<()> {
    if let Err(status) = refuse_if_asked(request.response_status) {
        answers.send(Err(status)).await.ok();
        return None;
    }
    for parameters in request.response_parameters {
        let pause = u64::try_from(parameters.interval_us).unwrap_or(0);
        if pause > 0 {
            tokio::time::sleep(Duration::from_micros(pause)).await;
        }
        let payload = payload(parameters.size);
        let answer = StreamingOutputCallResponse { payload };
        answers.send(Ok(answer)).await.ok()?;
    }
    Some(())
}
