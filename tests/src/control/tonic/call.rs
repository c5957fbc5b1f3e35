//! One call of the client, driven a message at a time.

use std::time::Duration;

use http::uri::PathAndQuery;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::metadata::{AsciiMetadataKey, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

use super::{Codec, Message, SCRIPT, messages};

const METHOD: &str = "/control.Echo/Do";
/// Octets of a message that is shown by its length only.
const LONG: usize = 200;

/// A call that has begun. Cancelled when dropped.
pub(super) struct Call {
    requests: Option<mpsc::Sender<Message>>,
    /// Servers begin their answer with its first message, and tonic returns only then.
    beginning: Option<JoinHandle<Result<Response<Streaming<Message>>, Status>>>,
    answers: Option<Streaming<Message>>,
    /// Messages that are sent beside the other steps.
    aside: JoinSet<()>,
    seen: Seen,
}

/// Messages that came: equal ones in a row as one, with their count.
#[derive(Default)]
pub(super) struct Seen(Vec<(u64, String)>);

impl Seen {
    pub(super) fn add(&mut self, message: &Message) {
        let is_long = message.len() >= LONG || message.contains(&0);
        let shown = match String::from_utf8(message.clone()) {
            Ok(text) if !is_long => text,
            Ok(_) | Err(_) => format!("{} octets", message.len()),
        };
        match self.0.last_mut() {
            Some((count, last)) if *last == shown => *count += 1,
            Some(_) | None => self.0.push((1, shown)),
        }
    }

    pub(super) fn outcome(&self, ended: &Result<(), Status>) -> Value {
        let (code, details) = match ended {
            Ok(()) => (tonic::Code::Ok, ""),
            Err(status) => (status.code(), status.message()),
        };
        let code = super::super::case::CODES[code as usize];
        let runs = self.0.iter();
        let runs = runs.map(|(count, message)| json!({ "count": count, "message": message }));
        json!({ "code": code, "details": details, "messages": runs.collect::<Vec<_>>() })
    }
}

/// A request of a part: what the server shall do, metadata of text, and a deadline.
pub(super) fn request<T>(part: &Value, body: T) -> Request<T> {
    let mut request = Request::new(body);
    let script = MetadataValue::from_bytes(part["server"].to_string().as_bytes());
    request.metadata_mut().insert_bin(SCRIPT, script);
    for field in part["metadata"].as_array().into_iter().flatten() {
        let [name, value] = [&field[0], &field[1]].map(|text| text.as_str().unwrap_or_default());
        if let (Ok(name), Ok(value)) = (name.parse::<AsciiMetadataKey>(), value.parse()) {
            request.metadata_mut().append(name, value);
        }
    }
    if let Some(milliseconds @ 1..) = part["deadline_ms"].as_u64() {
        request.set_timeout(Duration::from_millis(milliseconds));
    }
    request
}

pub(super) fn path() -> PathAndQuery {
    PathAndQuery::from_static(METHOD)
}

pub(super) async fn ready(channel: &Channel) -> Result<Grpc<Channel>, Status> {
    let mut grpc = Grpc::new(channel.clone()).max_decoding_message_size(usize::MAX);
    let ready = grpc.ready().await;
    ready.map_err(|error| Status::unavailable(error.to_string()))?;
    Ok(grpc)
}

impl Call {
    pub(super) async fn start(channel: &Channel, part: &Value) -> Result<Call, Status> {
        let mut grpc = ready(channel).await?;
        let (requests, receiver) = mpsc::channel(1);
        let request = request(part, ReceiverStream::new(receiver));
        let called = async move { grpc.streaming(request, path(), Codec::default()).await };
        Ok(Call {
            requests: Some(requests),
            beginning: Some(tokio::spawn(called)),
            answers: None,
            aside: JoinSet::new(),
            seen: Seen::default(),
        })
    }

    pub(super) async fn send(&mut self, what: &Value) {
        let Some(requests) = self.requests.clone() else {
            return;
        };
        let sent = messages(what);
        let sent = async move {
            for message in sent {
                if requests.send(message).await.is_err() {
                    return;
                }
            }
        };
        match what["aside"] == true {
            true => drop(self.aside.spawn(sent)),
            false => sent.await,
        }
    }

    /// Reads so many messages, or all with -1.
    pub(super) async fn read(&mut self, mut count: i64) -> Result<(), Status> {
        while count != 0 {
            match self.next().await? {
                Some(message) => self.seen.add(&message),
                None => break,
            }
            count -= 1;
        }
        Ok(())
    }

    /// No more is sent than what is sent aside.
    pub(super) fn close(&mut self) {
        self.requests = None;
    }

    pub(super) fn outcome(&self, ended: &Result<(), Status>) -> Value {
        self.seen.outcome(ended)
    }

    async fn next(&mut self) -> Result<Option<Message>, Status> {
        if let Some(beginning) = self.beginning.take() {
            let began = beginning.await;
            let began = began.map_err(|error| Status::internal(error.to_string()))?;
            self.answers = Some(began?.into_inner());
        }
        match &mut self.answers {
            Some(answers) => answers.message().await,
            None => Ok(None),
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(beginning) = &self.beginning {
            beginning.abort();
        }
    }
}
