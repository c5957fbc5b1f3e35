//! Our ends of the pipe: an owner around `Connection`, as an engine would be.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use outrider_http2::{Config, Connection, ErrorCode, Event, Field, Fields, StreamId, WindowPool};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::plan::{Message, Plan, Random, Resets};
use crate::theirs::Seen;

/// Octets given to the connection and not taken, at most.
const UNTAKEN_MAX: usize = 50_000;

struct Call {
    number: usize,
    plan: Plan,
    sent: usize,
    untaken: usize,
    /// Received and not credited.
    held: usize,
    may_send: bool,
    is_sent: bool,
    is_received: bool,
    seen: Seen,
}

pub struct Ours {
    seed: u64,
    random: Random,
    connection: Connection,
    pool: WindowPool,
    is_client: bool,
    /// The server's SETTINGS came. Before them it would refuse streams, and h2 closes the
    /// connection when it meets trailers of a stream it refused.
    may_open: bool,
    /// Client: calls to open.
    unopened: VecDeque<usize>,
    calls: BTreeMap<StreamId, Call>,
    done: Vec<(usize, Seen)>,
}

impl Ours {
    pub fn client(seed: u64, calls: usize) -> Ours {
        Ours::new(seed, true, calls)
    }

    pub fn server(seed: u64) -> Ours {
        Ours::new(seed, false, 0)
    }

    fn new(seed: u64, is_client: bool, calls: usize) -> Ours {
        let mut random = Random(seed ^ 3);
        let pool = WindowPool::new([0, 100_000, 8 << 20][random.below(3)]);
        let config = Config {
            initial_window: [65_535, 100_000][random.below(2)],
            output_bytes_max: [1, 20_000, 256 << 10][random.below(3)],
            max_concurrent_streams: (!is_client).then_some(100),
            header_table_bytes: [4_096, 20_000][random.below(2)],
            ..Config::default()
        };
        let connection = if is_client {
            Connection::client(config, &pool)
        } else {
            Connection::server(config, &pool)
        };
        Ours {
            seed,
            random,
            connection,
            pool,
            is_client,
            may_open: false,
            unopened: (0..calls).collect(),
            calls: BTreeMap::new(),
            done: vec![],
        }
    }

    /// Runs to the end: a client until its calls are done, a server until the peer closes.
    /// What was seen, by call.
    pub async fn run(mut self, mut io: DuplexStream) -> Vec<(usize, Seen)> {
        let pool_bytes = self.pool.left();
        let (mut reader, mut writer) = tokio::io::split(&mut io);
        let mut buffer = vec![0; 70_000];
        loop {
            self.work();
            if self.is_client && self.unopened.is_empty() && self.calls.is_empty() {
                break;
            }
            let read_max = 1 + self.random.size(buffer.len() - 1);
            let write_max = 1 + self.random.size(100_000);
            let output = self.connection.output();
            let output = &output[..output.len().min(write_max)];
            tokio::select! {
                read = reader.read(&mut buffer[..read_max]) => match read {
                    Ok(0) | Err(_) => break,
                    Ok(count) => self.receive(&buffer[..count]),
                },
                written = writer.write(output), if !output.is_empty() => match written {
                    Ok(count) => self.connection.written(count),
                    Err(_) => break,
                },
                () = tokio::task::yield_now(), if self.calls.values().any(|call| call.held > 0) => {}
            }
        }
        while let Ok(count @ 1..) = writer.write(self.connection.output()).await {
            self.connection.written(count);
        }
        assert!(!self.connection.is_failed());
        assert_eq!(self.connection.open_streams(), self.calls.len());
        drop(self.connection);
        assert_eq!(self.pool.left(), pool_bytes, "all growth is back");
        self.done
    }

    fn receive(&mut self, mut input: &[u8]) {
        while let Some(event) = self.connection.receive(Duration::ZERO, &mut input) {
            self.take(event);
        }
        assert!(input.is_empty());
    }

    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Head {
                stream,
                fields,
                end,
            } if !self.is_client => self.accept(stream, &fields, end),
            Event::Head {
                stream,
                fields,
                end,
            } => {
                assert_eq!(fields.find(b":status"), Some(&b"200"[..]));
                self.saw(stream, |seen| seen.fields = sorted(&fields));
                self.ended(stream, end);
            }
            Event::Data {
                stream,
                bytes,
                ends,
            } => {
                self.saw(stream, |seen| seen.body.extend_from_slice(bytes));
                self.calls.get_mut(&stream).unwrap().held += bytes.len();
                self.ended(stream, ends.stream());
            }
            Event::Trailers { stream, fields } => {
                self.saw(stream, |seen| seen.trailers = Some(sorted(&fields)));
                self.ended(stream, true);
            }
            Event::Reset { stream, cause } => {
                let call = self
                    .calls
                    .remove(&stream)
                    .expect("told once, and only of known streams");
                assert!(
                    !matches!(call.plan.resets, Resets::Nobody),
                    "{cause:?} in {}",
                    call.number
                );
                self.done.push((call.number, call.seen));
            }
            Event::Goaway { code, .. } => assert_eq!(code, ErrorCode::NoError),
            Event::SettingsChanged => self.may_open = true,
            Event::Pong { .. } => {}
            Event::Interim { .. }
            | Event::HeadTooLarge { .. }
            | Event::TrailersTooLarge { .. }
            | Event::HeadMalformed { .. }
            | Event::Malformed { .. }
            | Event::Foreign(_)
            | Event::Failed(_) => {
                panic!("{event:?}")
            }
        }
    }

    fn accept(&mut self, stream: StreamId, fields: &Fields, end: bool) {
        let path = std::str::from_utf8(fields.find(b":path").unwrap()).unwrap();
        assert_eq!(fields.find(b":authority"), Some(&b"test.example"[..]));
        let number = path.trim_start_matches("/call/").parse().unwrap();
        let mut call = Call::new(number, Plan::of(self.seed, number));
        call.may_send = call.plan.is_early;
        call.seen.fields = sorted(fields);
        self.calls.insert(stream, call);
        if self.calls[&stream].may_send {
            self.answer_head(stream);
        }
        self.ended(stream, end);
    }

    fn answer_head(&mut self, stream: StreamId) {
        let call = self.calls.get_mut(&stream).unwrap();
        call.may_send = true;
        let fields = call.plan.answer.head_fields();
        let head = [Field::new(b":status", b"200")]
            .into_iter()
            .chain(borrowed(&fields));
        self.connection.head(stream, head, false);
    }

    fn saw(&mut self, stream: StreamId, note: impl FnOnce(&mut Seen)) {
        let call = self
            .calls
            .get_mut(&stream)
            .expect("an event of a known stream");
        assert!(!call.is_received, "nothing behind the end");
        note(&mut call.seen);
    }

    fn ended(&mut self, stream: StreamId, end: bool) {
        if !end {
            return;
        }
        let call = self.calls.get_mut(&stream).unwrap();
        call.is_received = true;
        call.seen.is_whole = true;
        if !self.is_client && !call.may_send {
            self.answer_head(stream);
        }
    }

    fn work(&mut self) {
        while let Some(taken) = self.connection.next_framed() {
            if let Some(call) = self.calls.get_mut(&taken.stream) {
                call.untaken = call
                    .untaken
                    .checked_sub(taken.bytes)
                    .expect("no more than was given");
            }
        }
        while self.may_open && self.connection.can_open() && !self.unopened.is_empty() {
            self.open();
        }
        let streams: Vec<StreamId> = self.calls.keys().copied().collect();
        for stream in streams {
            self.credit(stream);
            self.send(stream);
            self.finish(stream);
        }
    }

    fn open(&mut self) {
        let number = self.unopened.pop_front().unwrap();
        let plan = Plan::of(self.seed, number);
        let path = format!("/call/{number}");
        let pseudo = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", &path),
            (":authority", "test.example"),
        ];
        let pseudo = pseudo.map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes()));
        let fields = plan.request.head_fields();
        let stream = self
            .connection
            .open(pseudo.into_iter().chain(borrowed(&fields)), false)
            .unwrap();
        self.calls.insert(
            stream,
            Call {
                may_send: true,
                ..Call::new(number, plan)
            },
        );
    }

    fn credit(&mut self, stream: StreamId) {
        let call = self.calls.get_mut(&stream).unwrap();
        if call.held > 0 && self.random.one_in(2) {
            let bytes = 1 + self.random.below(call.held);
            call.held -= bytes;
            self.connection.credit(stream, bytes);
        }
    }

    fn send(&mut self, stream: StreamId) {
        let is_client = self.is_client;
        let Some(call) = self.calls.get_mut(&stream) else {
            return;
        };
        let message = if is_client {
            &call.plan.request
        } else {
            &call.plan.answer
        };
        let reset_at = match call.plan.resets {
            Resets::Client(at) if is_client => Some(at),
            Resets::Server(at) if !is_client => Some(at),
            Resets::Nobody | Resets::Client(_) | Resets::Server(_) => None,
        };
        while call.may_send && !call.is_sent && call.untaken < UNTAKEN_MAX {
            if reset_at.is_some_and(|at| call.sent >= at) {
                self.connection.reset(stream, ErrorCode::Cancel);
                let call = self.calls.remove(&stream).unwrap();
                self.done.push((call.number, call.seen));
                return;
            }
            let next = (call.sent + self.random.size(40_000)).min(message.body.len());
            let part = &message.body[call.sent..next];
            let is_last = next == message.body.len();
            let ends_with_data = is_last && message.trailers.is_none() && reset_at.is_none();
            self.connection.data(stream, part, ends_with_data);
            call.untaken += part.len();
            call.sent = next;
            if is_last && reset_at.is_none() {
                call.is_sent = true;
                send_trailers(&mut self.connection, stream, message);
            }
        }
    }

    fn finish(&mut self, stream: StreamId) {
        let Some(call) = self.calls.get(&stream) else {
            return;
        };
        if call.is_sent && call.is_received && self.connection.queued(stream) == 0 {
            let call = self.calls.remove(&stream).unwrap();
            self.done.push((call.number, call.seen));
        }
    }
}

impl Call {
    fn new(number: usize, plan: Plan) -> Call {
        let seen = Seen::default();
        let (may_send, is_sent, is_received) = (false, false, false);
        Call {
            number,
            plan,
            sent: 0,
            untaken: 0,
            held: 0,
            may_send,
            is_sent,
            is_received,
            seen,
        }
    }
}

fn send_trailers(connection: &mut Connection, stream: StreamId, message: &Message) {
    if let Some(trailers) = &message.trailers {
        connection.trailers(stream, borrowed(trailers));
    }
}

fn borrowed(fields: &[(String, String)]) -> impl Iterator<Item = Field<'_>> {
    fields
        .iter()
        .map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes()))
}

fn sorted(fields: &Fields) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let regular = fields.iter().filter(|field| !field.name.starts_with(b":"));
    let mut fields: Vec<_> = regular
        .map(|field| (text(field.name), text(field.value)))
        .collect();
    fields.sort();
    fields
}
