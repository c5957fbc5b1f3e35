//! A FullDuplexCall that is driven a message at a time.

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status, Streaming};

use super::client::{Client, Ended, check, text};
use super::payload;
use super::testing::{ResponseParameters, StreamingOutputCallRequest, StreamingOutputCallResponse};

type Answers = Streaming<StreamingOutputCallResponse>;

/// The call of a client. Cancelled when dropped.
pub struct Duplex {
    requests: Option<mpsc::Sender<StreamingOutputCallRequest>>,
    /// Many servers begin their answer with its first message, and tonic returns only then.
    beginning: Option<JoinHandle<Result<Response<Answers>, Status>>>,
    answers: Option<Answers>,
}

impl Duplex {
    pub fn start(client: &Client) -> Duplex {
        let (requests, receiver) = mpsc::channel(1);
        let mut client = client.clone();
        let called = async move { client.full_duplex_call(ReceiverStream::new(receiver)).await };
        Duplex {
            requests: Some(requests),
            beginning: Some(tokio::spawn(called)),
            answers: None,
        }
    }

    pub async fn send(&mut self, request: StreamingOutputCallRequest) -> Ended {
        match &self.requests {
            Some(requests) => requests.send(request).await.map_err(text),
            None => Err("sent after the half close".to_owned()),
        }
    }

    /// The next answer, or none at the end.
    pub async fn next(&mut self) -> Result<Option<StreamingOutputCallResponse>, Status> {
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

    /// Sends `size` octets, asks for `answer` octets and takes them.
    pub async fn round_trip(&mut self, size: i32, answer: i32) -> Ended {
        self.send(StreamingOutputCallRequest {
            payload: payload(size),
            response_parameters: vec![ResponseParameters {
                size: answer,
                ..ResponseParameters::default()
            }],
            ..StreamingOutputCallRequest::default()
        })
        .await?;
        let got = self.next().await.map_err(text)?;
        let got = got.and_then(|message| message.payload);
        let got = got.map(|payload| payload.body.len());
        check(got == usize::try_from(answer).ok(), || {
            format!("{got:?} octets instead of {answer}")
        })
    }

    pub fn half_close(&mut self) {
        self.requests = None;
    }

    /// Half closes, and expects the end.
    pub async fn close(mut self) -> Ended {
        self.half_close();
        let last = self.next().await.map_err(text)?;
        check(last.is_none(), || "a message instead of the end".to_owned())
    }
}

impl Drop for Duplex {
    fn drop(&mut self) {
        if let Some(beginning) = &self.beginning {
            beginning.abort();
        }
    }
}
