//! The h2 crate's ends of the pipe.

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tokio::io::DuplexStream;
use tokio::task::JoinSet;

use crate::plan::{Message, Plan, Random, Resets};

/// What one end saw of one message.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub trailers: Option<Vec<(String, String)>>,
    /// The message ended as a message, not by a reset.
    pub is_whole: bool,
}

fn header_map(fields: &[(String, String)]) -> HeaderMap {
    let parse = |(name, value): &(String, String)| {
        (
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        )
    };
    let mut map = HeaderMap::new();
    fields.iter().map(parse).for_each(|(name, value)| {
        map.append(name, value);
    });
    map
}

pub fn sorted(map: &HeaderMap) -> Vec<(String, String)> {
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_string())
    };
    let mut fields: Vec<_> = map.iter().map(text).collect();
    fields.sort();
    fields
}

/// Sends body and trailers; resets with CANCEL once `reset_at` octets are given.
fn send(
    random: &mut Random,
    out: &mut SendStream<Bytes>,
    message: &Message,
    reset_at: Option<usize>,
) {
    let whole = Bytes::from(message.body.clone());
    let mut at = 0;
    loop {
        if reset_at.is_some_and(|reset_at| at >= reset_at) {
            return out.send_reset(Reason::CANCEL);
        }
        let next = (at + 1 + random.size(40_000)).min(whole.len());
        let is_last = next == whole.len();
        let ends_with_data = is_last && message.trailers.is_none() && reset_at.is_none();
        if out
            .send_data(whole.slice(at..next), ends_with_data)
            .is_err()
        {
            return;
        }
        at = next;
        if is_last {
            break;
        }
    }
    match (&message.trailers, reset_at) {
        (_, Some(_)) => out.send_reset(Reason::CANCEL),
        (Some(trailers), None) => drop(out.send_trailers(header_map(trailers))),
        (None, None) => {}
    }
}

async fn receive(fields: &HeaderMap, body: &mut RecvStream) -> Seen {
    let mut seen = Seen {
        fields: sorted(fields),
        ..Seen::default()
    };
    while let Some(part) = body.data().await {
        let Ok(part) = part else { return seen };
        seen.body.extend_from_slice(&part);
        if body.flow_control().release_capacity(part.len()).is_err() {
            return seen;
        }
    }
    match body.trailers().await {
        Ok(trailers) => seen.trailers = trailers.as_ref().map(sorted),
        Err(_) => return seen,
    }
    seen.is_whole = true;
    seen
}

/// Serves until the client closes. What it saw of each request, by call.
pub async fn serve(seed: u64, io: DuplexStream) -> Vec<(usize, Seen)> {
    let mut random = Random(seed ^ 1);
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size([100, 5_000, 65_535, 200_000][random.below(4)])
        .initial_connection_window_size([65_535, 1 << 20][random.below(2)])
        .max_frame_size([16_384, 60_000][random.below(2)])
        .max_concurrent_streams([1, 3, 100][random.below(3)])
        .max_header_list_size(1 << 20)
        .max_local_error_reset_streams(None)
        .data_frame_budget(usize::MAX)
        .max_concurrent_reset_streams(10_000)
        .max_pending_accept_reset_streams(10_000);
    let mut connection = builder.handshake(io).await.unwrap();
    let mut calls = JoinSet::new();
    while let Some(Ok((request, answer))) = connection.accept().await {
        let call: usize = request
            .uri()
            .path()
            .trim_start_matches("/call/")
            .parse()
            .unwrap();
        calls.spawn(async move { (call, answer_one(seed, call, request, answer).await) });
    }
    calls.join_all().await
}

async fn answer_one(
    seed: u64,
    call: usize,
    request: Request<RecvStream>,
    mut answer: h2::server::SendResponse<Bytes>,
) -> Seen {
    let mut random = Random(seed ^ call as u64);
    let plan = Plan::of(seed, call);
    let (parts, mut body) = request.into_parts();
    let mut seen = Seen::default();
    if !plan.is_early {
        seen = receive(&parts.headers, &mut body).await;
        if !seen.is_whole {
            return seen;
        }
    }
    let mut response = Response::new(());
    *response.headers_mut() = header_map(&plan.answer.head_fields());
    if let Ok(mut out) = answer.send_response(response, false) {
        let reset_at = match plan.resets {
            Resets::Server(at) => Some(at),
            Resets::Nobody | Resets::Client(_) => None,
        };
        send(&mut random, &mut out, &plan.answer, reset_at);
    }
    if plan.is_early {
        seen = receive(&parts.headers, &mut body).await;
    }
    seen
}

/// Makes `calls` calls. What it saw of each answer, by call.
pub async fn call(seed: u64, calls: usize, io: DuplexStream) -> Vec<(usize, Seen)> {
    let mut random = Random(seed ^ 2);
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size([100, 5_000, 65_535, 200_000][random.below(4)])
        .initial_connection_window_size([65_535, 1 << 20][random.below(2)])
        .max_frame_size([16_384, 60_000][random.below(2)])
        .header_table_size([0, 100, 4_096, 65_536][random.below(4)])
        .max_header_list_size(1 << 20)
        .max_local_error_reset_streams(None)
        .data_frame_budget(usize::MAX)
        .max_concurrent_reset_streams(10_000);
    let (mut requests, connection) = builder.handshake(io).await.unwrap();
    let running = tokio::spawn(connection);
    let mut tasks = JoinSet::new();
    for call in 0..calls {
        requests = requests.ready().await.unwrap();
        let plan = Plan::of(seed, call);
        let mut request = Request::post(format!("http://test.example/call/{call}"))
            .body(())
            .unwrap();
        *request.headers_mut() = header_map(&plan.request.head_fields());
        let (answer, mut out) = requests.send_request(request, false).unwrap();
        let mut random = Random(seed ^ call as u64);
        tasks.spawn(async move {
            let reset_at = match plan.resets {
                Resets::Client(at) => Some(at),
                Resets::Nobody | Resets::Server(_) => None,
            };
            send(&mut random, &mut out, &plan.request, reset_at);
            let Ok(answer) = answer.await else {
                return (call, Seen::default());
            };
            let (parts, mut body) = answer.into_parts();
            (call, receive(&parts.headers, &mut body).await)
        });
    }
    let seen = tasks.join_all().await;
    drop(requests);
    running.await.unwrap().unwrap();
    seen
}
