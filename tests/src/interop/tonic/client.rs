//! The interop client over tonic.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::timeout;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use super::duplex::Duplex;
use super::testing::test_service_client::TestServiceClient;
use super::testing::unimplemented_service_client::UnimplementedServiceClient;
use super::testing::{
    BoolValue, EchoStatus, Empty, ResponseParameters, SimpleRequest, StreamingInputCallRequest,
    StreamingOutputCallRequest,
};
use super::{INITIAL, TRAILING, payload};
use crate::interop::case::{CANCELLED_CALLS, Case};

/// Longest a case may take.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) type Client = TestServiceClient<Channel>;
pub(super) type Ended = Result<(), String>;

/// Runs `case` against `target`, over a connection of its own.
///
/// # Errors
/// What was wrong, for people.
pub async fn run(target: SocketAddr, case: Case) -> Ended {
    let endpoint = Endpoint::from_shared(format!("http://{target}")).map_err(text)?;
    let channel = endpoint.connect().await.map_err(text)?;
    let ended = timeout(PATIENCE, one(case.0, channel)).await;
    ended.unwrap_or_else(|_| Err("it hangs".to_owned()))
}

async fn one(case: &str, channel: Channel) -> Ended {
    let client = TestServiceClient::new(channel.clone()).accept_compressed(Gzip);
    match case {
        "empty_unary" => empty(client).await,
        "large_unary" => large(client, false).await,
        "client_streaming" => send_all(client).await,
        "server_streaming" => receive_all(client, false).await,
        "ping_pong" => ping_pong(client).await,
        "empty_stream" => Duplex::start(&client).close().await,
        "client_compressed_unary" => large(client.send_compressed(Gzip), false).await,
        "server_compressed_unary" => large(client, true).await,
        "client_compressed_streaming" => send_all(client.send_compressed(Gzip)).await,
        "server_compressed_streaming" => receive_all(client, true).await,
        "custom_metadata" => {
            echoes(client, &["test_initial_metadata_value"], &[b"\xab\xab\xab"]).await
        }
        "status_code_and_message" => fails_with(client, Code::Unknown, "test status message").await,
        "special_status_message" => fails_with(client, Code::Unknown, SPECIAL).await,
        "unimplemented_method" => unimplemented_method(client).await,
        "unimplemented_service" => unimplemented_service(channel).await,
        "cancel_after_begin" => cancel_after_begin(client).await,
        "cancel_after_first_response" => cancel_after_first_response(client).await,
        "timeout_on_sleeping_server" => sleeping_server(client).await,
        "every_status_code" => every_status_code(client).await,
        "metadata_in_order" => metadata_in_order(client).await,
        "early_status" => early_status(client).await,
        "half_close" => half_close(client).await,
        "round_trips" => round_trips(client).await,
        "cancel_seen" => cancel_seen(client).await,
        _ => Err("no such case".to_owned()),
    }
}

const SPECIAL: &str = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";

pub(super) fn text(error: impl Display) -> String {
    error.to_string()
}

pub(super) fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Ended {
    if holds { Ok(()) } else { Err(otherwise()) }
}

fn expect<T>(code: Code, message: Option<&str>, ended: Result<T, Status>) -> Ended {
    match ended {
        Ok(_) => Err(format!("an answer instead of {code:?}")),
        Err(status) => {
            let good = status.code() == code && message.is_none_or(|text| text == status.message());
            check(good, || format!("{status} instead of {code:?}"))
        }
    }
}

async fn empty(mut client: Client) -> Ended {
    client.empty_call(Empty {}).await.map(drop).map_err(text)
}

async fn large(mut client: Client, compressed: bool) -> Ended {
    let request = SimpleRequest {
        payload: payload(271_828),
        response_size: 314_159,
        response_compressed: Some(BoolValue { value: compressed }),
        ..SimpleRequest::default()
    };
    let response = client.unary_call(request).await.map_err(text)?.into_inner();
    let size = response.payload.map(|payload| payload.body.len());
    check(size == Some(314_159), || format!("{size:?} octets"))
}

async fn send_all(mut client: Client) -> Ended {
    let requests = [27_182, 8, 1_828, 45_904].map(|size| StreamingInputCallRequest {
        payload: payload(size),
        expect_compressed: None,
    });
    let called = client.streaming_input_call(tokio_stream::iter(requests));
    let total = called.await.map_err(text)?.into_inner();
    let size = total.aggregated_payload_size;
    check(size == 74_922, || format!("{size} octets"))
}

async fn receive_all(mut client: Client, compressed: bool) -> Ended {
    let parameters = [31_415, 9, 2_653, 58_979].map(|size| ResponseParameters {
        size,
        interval_us: 0,
        compressed: Some(BoolValue { value: compressed }),
    });
    let request = StreamingOutputCallRequest {
        response_parameters: parameters.to_vec(),
        ..StreamingOutputCallRequest::default()
    };
    let called = client.streaming_output_call(request).await;
    let mut answers = called.map_err(text)?.into_inner();
    let mut got = Vec::new();
    while let Some(answer) = answers.message().await.map_err(text)? {
        got.push(answer.payload.map_or(0, |payload| payload.body.len()));
    }
    check(got == [31_415, 9, 2_653, 58_979], || format!("{got:?}"))
}

async fn ping_pong(client: Client) -> Ended {
    let mut stream = Duplex::start(&client);
    for (size, answer) in [(27_182, 31_415), (8, 9), (1_828, 2_653), (45_904, 58_979)] {
        stream.round_trip(size, answer).await?;
    }
    stream.close().await
}

async fn metadata_in_order(client: Client) -> Ended {
    let text = ["first", "second", "first", "fourth, with a comma"];
    let binary: [&[u8]; 4] = [b"\x00\x01\xff", b"a,b", b"\xab\xab\xab", b"\x00\x01\xff"];
    echoes(client, &text, &binary).await
}

async fn echoes(mut client: Client, initial: &[&'static str], trailing: &[&[u8]]) -> Ended {
    let mut request = Request::new(SimpleRequest::default());
    for value in initial {
        let value = MetadataValue::from_static(value);
        request.metadata_mut().append(INITIAL, value);
    }
    for value in trailing {
        let value = MetadataValue::from_bytes(value);
        request.metadata_mut().append_bin(TRAILING, value);
    }
    // tonic gathers what begins and what ends a unary answer.
    let response = client.unary_call(request).await.map_err(text)?;
    let got = texts(response.metadata());
    // grpc-js writes a repeated key as one field with commas, which is the same to gRPC.
    check(got == initial.join(", "), || format!("initial {got:?}"))?;
    let got = octets(response.metadata());
    check(got == trailing, || format!("trailing {got:?}"))
}

fn texts(metadata: &MetadataMap) -> String {
    let values = metadata.get_all(INITIAL).into_iter();
    let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    values.join(", ")
}

fn octets(metadata: &MetadataMap) -> Vec<Vec<u8>> {
    let values = metadata.get_all_bin(TRAILING).into_iter();
    let values = values.filter_map(|value| value.to_bytes().ok());
    values.map(|value| value.to_vec()).collect()
}

fn status(code: Code, message: &str) -> Option<EchoStatus> {
    Some(EchoStatus {
        code: i32::from(code),
        message: message.to_owned(),
    })
}

async fn fails_with(mut client: Client, code: Code, message: &str) -> Ended {
    let request = SimpleRequest {
        response_status: status(code, message),
        ..SimpleRequest::default()
    };
    expect(code, Some(message), client.unary_call(request).await)?;
    stream_fails_with(&client, code, message, true).await
}

async fn stream_fails_with(client: &Client, code: Code, message: &str, closes: bool) -> Ended {
    let mut stream = Duplex::start(client);
    stream
        .send(StreamingOutputCallRequest {
            response_status: status(code, message),
            ..StreamingOutputCallRequest::default()
        })
        .await?;
    if closes {
        stream.half_close();
    }
    expect(code, Some(message), stream.next().await)
}

async fn every_status_code(mut client: Client) -> Ended {
    for number in 1..=16 {
        let message = format!("status {number}");
        fails_with(client.clone(), Code::from_i32(number), &message).await?;
    }
    let called = client.unary_call(SimpleRequest::default()).await;
    called.map(drop).map_err(text)
}

async fn unimplemented_method(mut client: Client) -> Ended {
    let called = client.unimplemented_call(Empty {}).await;
    expect(Code::Unimplemented, None, called)
}

async fn unimplemented_service(channel: Channel) -> Ended {
    let mut client = UnimplementedServiceClient::new(channel);
    let called = client.unimplemented_call(Empty {}).await;
    expect(Code::Unimplemented, None, called)
}

/// To cancel is to drop, and there is nobody left to be told; the connection serves on.
async fn cancel_after_begin(client: Client) -> Ended {
    let mut other = client.clone();
    let call = tokio::spawn(async move {
        let never = tokio_stream::pending::<StreamingInputCallRequest>();
        other.streaming_input_call(never).await
    });
    empty(client.clone()).await?;
    call.abort();
    empty(client).await
}

async fn cancel_after_first_response(client: Client) -> Ended {
    let mut stream = Duplex::start(&client);
    stream.round_trip(27_182, 31_415).await?;
    drop(stream);
    empty(client).await
}

/// tonic says CANCELLED when its own timer is first, DEADLINE_EXCEEDED when the mesh or the server is.
/// Its timer ends with the head of an answer, which some servers send at once.
async fn sleeping_server(mut client: Client) -> Ended {
    let mut request = Request::new(tokio_stream::pending());
    request.set_timeout(Duration::from_millis(50));
    let ended = match client.full_duplex_call(request).await {
        Ok(began) => began.into_inner().message().await.map(drop),
        Err(status) => Err(status),
    };
    let code = ended.as_ref().err().map(Status::code);
    let good = matches!(code, Some(Code::DeadlineExceeded | Code::Cancelled));
    check(good, || format!("{ended:?} instead of DEADLINE_EXCEEDED"))
}

/// 300 times a status that comes before the half close, or at its time.
async fn early_status(client: Client) -> Ended {
    for round in 0..300 {
        stream_fails_with(&client, Code::FailedPrecondition, "early", round % 2 == 1).await?;
    }
    Ok(())
}

/// Ends 100 streams that are idle; nothing but the half close can end them.
async fn half_close(client: Client) -> Ended {
    for _ in 0..100 {
        let mut stream = Duplex::start(&client);
        stream.round_trip(1, 8).await?;
        stream.close().await?;
    }
    Ok(())
}

/// Each of 100 messages is sent when the answer to the one before is there.
async fn round_trips(client: Client) -> Ended {
    let mut stream = Duplex::start(&client);
    for _ in 0..100 {
        stream.round_trip(1, 8).await?;
    }
    stream.close().await
}

/// Cancels calls that have no answer yet; the call behind each shows that it is under way.
async fn cancel_seen(client: Client) -> Ended {
    for _ in 0..CANCELLED_CALLS {
        let mut other = client.clone();
        let started = StreamingInputCallRequest::default();
        let call = tokio::spawn(async move {
            let requests = tokio_stream::iter([started]);
            let requests = tokio_stream::StreamExt::chain(requests, tokio_stream::pending());
            other.streaming_input_call(requests).await
        });
        // The first lets it begin, the second follows it.
        empty(client.clone()).await?;
        empty(client.clone()).await?;
        call.abort();
    }
    empty(client).await
}
