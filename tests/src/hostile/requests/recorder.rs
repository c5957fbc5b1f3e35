//! A backend that writes down what it is sent, octet by octet, and answers every call well.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::raw::{FieldReader, Frame, Heard, Peer, flag, grpc_response, kind};

/// A request that arrived.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recorded {
    /// Its head, in order; `None` if it was malformed.
    pub fields: Option<Vec<(String, String)>>,
    /// Octets of its body.
    pub body_bytes: usize,
    /// Its end came.
    pub has_ended: bool,
    connection: usize,
    stream: u32,
}

impl Recorded {
    /// The values of a field, in order.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let fields = self.fields.iter().flatten();
        let named = fields.filter(|(known, _)| known == name);
        named.map(|(_, value)| value.as_str()).collect()
    }
}

/// A frame, and the connection that it came on.
type Said = (usize, Frame);

/// Listens until dropped.
#[derive(Debug)]
pub struct Recorder {
    /// Where it listens.
    pub address: SocketAddr,
    heard: watch::Receiver<Vec<Said>>,
    accepts: AbortHandle,
}

impl Recorder {
    /// Starts on a free port of 127.0.0.1, on the current runtime.
    pub async fn start() -> Recorder {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (hears, heard) = watch::channel(Vec::new());
        let accepting = tokio::spawn(async move {
            let mut connections = 0;
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, connections, hears.clone()));
                connections += 1;
            }
        });
        Recorder {
            address,
            heard,
            accepts: accepting.abort_handle(),
        }
    }

    /// All that has arrived so far.
    pub fn recorded(&self) -> Vec<Recorded> {
        let mut records = Vec::new();
        let mut readers = BTreeMap::new();
        for (connection, frame) in self.heard.borrow().iter() {
            let reader = readers
                .entry(*connection)
                .or_insert_with(FieldReader::of_requests);
            let fields = reader.read(frame);
            note(&mut records, *connection, frame, fields);
        }
        records
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.accepts.abort();
    }
}

/// Longer than any test.
const FOR_EVER: Duration = Duration::from_secs(600);

async fn serve(socket: TcpStream, connection: usize, hears: watch::Sender<Vec<Said>>) {
    let mut peer = Peer::new(socket);
    if peer.greet_as_server(&[]).await.is_err() {
        return;
    }
    while let Heard::Frame(frame) = peer.next(FOR_EVER).await {
        hears.send_modify(|heard| heard.push((connection, frame.clone())));
        answer(&mut peer, &frame).await;
    }
}

fn note(
    records: &mut Vec<Recorded>,
    connection: usize,
    frame: &Frame,
    fields: Option<Vec<(String, String)>>,
) {
    let is_this =
        |known: &&mut Recorded| (known.connection, known.stream) == (connection, frame.stream);
    let has_ended = frame.has(flag::END_STREAM);
    match (frame.kind, records.iter_mut().find(is_this)) {
        (kind::HEADERS, None) => records.push(Recorded {
            fields,
            body_bytes: 0,
            has_ended,
            connection,
            stream: frame.stream,
        }),
        (kind::DATA, Some(known)) => {
            known.body_bytes += frame.payload.len();
            known.has_ended |= has_ended;
        }
        (kind::HEADERS, Some(known)) => known.has_ended |= has_ended,
        _ => {}
    }
}

async fn answer(peer: &mut Peer, frame: &Frame) {
    let ends = matches!(frame.kind, kind::DATA | kind::HEADERS) && frame.has(flag::END_STREAM);
    if ends {
        let block = grpc_response().literal("grpc-status", "0");
        peer.send(&Frame::headers(
            frame.stream,
            flag::END_STREAM,
            block.octets(),
        ))
        .await;
    }
    if frame.kind == kind::PING && !frame.has(flag::ACK) {
        let pong = Frame::new(kind::PING, flag::ACK, 0, &frame.payload);
        peer.send(&pong).await;
    }
}
