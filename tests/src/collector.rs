//! A collector of spans: what Jaeger is to an operator, inside the test's process.

use std::net::SocketAddr;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Server, Uri};
use tonic::{Request, Response, Status};

/// Takes everything and forgets nothing.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    received: watch::Receiver<Vec<Received>>,
}

/// A span and who sent it.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// `service.name` of its sender.
    pub service: String,
    /// The span.
    pub span: Span,
}

impl Received {
    /// A text attribute; empty when there is none.
    pub fn text(&self, key: &str) -> &str {
        text(&self.span.attributes, key)
    }
}

impl Collector {
    /// Starts on a free port of 127.0.0.1, on the runtime of the test.
    pub async fn start() -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (sender, received) = watch::channel(Vec::new());
        let serve = Server::builder()
            .add_service(TraceServiceServer::new(Shelf(sender)))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(serve);
        Collector { address, received }
    }

    /// What `--otlp` is told.
    pub fn url(&self) -> Uri {
        format!("http://{}", self.address).parse().expect("a URL")
    }

    /// All spans so far, as soon as there are `count`; the test's own time-out is the limit.
    pub async fn until(&mut self, count: usize) -> Vec<Received> {
        let enough = self.received.wait_for(|spans| spans.len() >= count).await;
        enough.expect("the collector lives").clone()
    }
}

struct Shelf(watch::Sender<Vec<Received>>);

#[tonic::async_trait]
impl TraceService for Shelf {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let groups = request.into_inner().resource_spans;
        self.0
            .send_modify(|all| all.extend(groups.into_iter().flat_map(received)));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn received(group: ResourceSpans) -> Vec<Received> {
    let resource = group.resource.unwrap_or_default();
    let service = text(&resource.attributes, "service.name").to_owned();
    let spans = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
    spans
        .map(|span| Received {
            service: service.clone(),
            span,
        })
        .collect()
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> &'a str {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    let value = found.and_then(|attribute| attribute.value.as_ref()?.value.as_ref());
    match value {
        Some(Value::StringValue(text)) => text,
        _ => "",
    }
}
