//! Our encoder against the h2 crate's decoder: the field lists of http2jp's HPACK test cases, each
//! story over one connection.
//!
//! What only HTTP/1 may send is left out, and pseudo-fields are a call's, because the lists are of
//! requests and responses alike.

mod stories;

use std::time::Duration;

use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};
use outrider_http2::{Config, Connection, Field, StreamId, WindowPool};
use stories::List;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const CALL: [(&str, &str); 4] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/a.B/C"),
    (":authority", "test.example"),
];

/// Fields that HTTP/2 refuses (RFC 9113 8.2.2), and the length of a body that is not sent.
const LEFT_OUT: [&str; 5] = [
    "connection",
    "content-length",
    "keep-alive",
    "te",
    "transfer-encoding",
];

fn regular(list: &List) -> Vec<(&str, &str)> {
    let fields = list.fields.iter();
    fields
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| !name.starts_with(':') && !LEFT_OUT.contains(name))
        .collect()
}

/// Sends every list as a call's head, one after the other's answer.
async fn send(story: &[List], mut io: DuplexStream) {
    let mut connection = Connection::client(Config::default(), &WindowPool::new(0));
    let mut calls = story.iter();
    let mut last: Option<StreamId> = None;
    let mut bytes = vec![0; 16_384];
    loop {
        if connection.open_streams() == 0 {
            let Some(list) = calls.next() else { return };
            let fields = CALL.into_iter().chain(regular(list));
            let fields = fields.map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes()));
            let stream = connection.open(fields, true).unwrap();
            assert!(last.replace(stream) < Some(stream));
        }
        let output = connection.output().to_vec();
        io.write_all(&output).await.unwrap();
        connection.written(output.len());
        if connection.open_streams() > 0 {
            let read = io.read(&mut bytes).await.unwrap();
            assert!(read > 0, "they closed the connection");
            let mut input = &bytes[..read];
            while connection.receive(Duration::ZERO, &mut input).is_some() {}
        }
    }
}

/// What h2 saw, call by call.
async fn serve(io: DuplexStream) -> Vec<HeaderMap> {
    let mut connection = h2::server::handshake(io).await.unwrap();
    let mut seen = Vec::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        seen.push(answer(request, respond));
    }
    seen
}

fn answer(request: Request<h2::RecvStream>, mut respond: SendResponse<bytes::Bytes>) -> HeaderMap {
    respond.send_response(Response::new(()), true).unwrap();
    request.into_parts().0.headers
}

fn sorted(headers: &HeaderMap) -> Vec<(&str, &str)> {
    let fields = headers.iter();
    let mut fields: Vec<_> = fields
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    fields.sort_unstable();
    fields
}

#[test]
fn every_list_arrives_at_h2_as_it_was() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut lists = 0;
    for story in &stories::read().stories {
        let (here, there) = tokio::io::duplex(1 << 16);
        let (_, seen) = runtime.block_on(async { tokio::join!(send(story, here), serve(there)) });
        assert_eq!(seen.len(), story.len());
        for (list, seen) in story.iter().zip(&seen) {
            let mut expected = regular(list);
            expected.sort_unstable();
            assert_eq!(sorted(seen), expected);
            lists += 1;
        }
    }
    assert_eq!(lists, 3_384);
}
