//! A whole worker whose engine panics on purpose.

use std::fs;
use std::net::{self, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use outrider_engine::Failpoint;
use outrider_engine::config::Settings;
use tokio::sync::mpsc;

use super::*;
use crate::options::Options;
use crate::telemetry::{LogSink, Metrics};
use crate::worker::{InitialState, Memory, Report, engine, open};

/// Preface and empty SETTINGS of a client (RFC 9113, 3.4).
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A worker that nobody runs, and who it would hear and tell.
struct Bed {
    worker: Worker,
    outbound: SocketAddr,
    _commands: mpsc::Sender<Command>,
    _reports: Receiver<Report>,
}

impl Bed {
    fn new() -> Bed {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let options = Options {
            outbound: free,
            ..Options::new("orders", Path::new("unused"))
        };
        let (addresses, mut listeners) = open(&options).expect("a free port");
        let mut listeners = listeners.pop().expect("one worker");
        let poll = Poll::new().expect("a poll");
        listeners
            .register(poll.registry())
            .expect("it is registered");
        let (commands, inbox) = mpsc::channel(1);
        let (reports, received) = mpsc::channel(1);
        let clock = Clock::start();
        let initial = InitialState {
            snapshot: Arc::default(),
            identity: None,
            memory: Memory::default(),
        };
        let worker = Worker {
            clock,
            engine: engine(clock, Settings::new("orders"), initial),
            poll,
            events: Events::with_capacity(16),
            listeners,
            descriptors: Descriptors::measured(0),
            memory: MemoryWatch::default(),
            sockets: Sockets::default(),
            foreign: ForeignLog::default(),
            inbox,
            outbox: Outbox::new(0, reports),
            heartbeat: Heartbeat::new(clock.now()),
            buffer: vec![0; 1 << 10].into_boxed_slice(),
        };
        Bed {
            worker,
            outbound: addresses.outbound,
            _commands: commands,
            _reports: received,
        }
    }

    /// A caller who has said its greeting.
    fn caller(&self) -> net::TcpStream {
        let mut caller = net::TcpStream::connect(self.outbound).expect("the backlog takes it");
        caller.write_all(GREETING).expect("the kernel takes it");
        caller.set_nonblocking(true).expect("it can be asked");
        caller
    }

    /// Turns until `caller` can read; returns how many octets, 0 at the end of the connection.
    fn until_answered(&mut self, mut caller: &net::TcpStream) -> usize {
        for _ in 0..100 {
            match caller.read(&mut [0; 1 << 10]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.worker.turn().expect("the poll works");
                }
                read => return read.expect("it is not reset"),
            }
        }
        panic!("no answer");
    }
}

#[test]
fn a_contained_panic_is_logged_and_counted_and_the_next_caller_served() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("log");
    let sink = LogSink::open(Some(&path)).expect("it opens");
    let lines = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_writer(sink.lines());
    let mut bed = Bed::new();

    let torn = bed.caller();
    bed.worker.engine.inject_panics(Failpoint::Codec, &[1]);
    tracing::subscriber::with_default(lines.finish(), || while bed.until_answered(&torn) > 0 {});

    drop(sink);
    let log = fs::read_to_string(path).expect("a log");
    let said = |words| log.lines().filter(|line| line.contains(words)).count();
    assert_eq!(said("a panic was contained"), 1, "{log}");
    assert_eq!(said(r#""level":"ERROR""#), 1, "{log}");
    assert_eq!(said(r#""ended":"connection""#), 1, "{log}");
    let metrics = Metrics::new();
    metrics.show(&[bed.worker.engine.gauges()], 0.0);
    let text = metrics.encode();
    for (ended, count) in [("call", 0), ("connection", 1), ("nothing", 0)] {
        let line = format!(r#"outrider_contained_panics_total{{ended="{ended}"}} {count}"#);
        assert!(text.contains(&line), "{line} is missing in\n{text}");
    }
    let next = bed.caller();
    assert!(bed.until_answered(&next) > 0, "its greeting is answered");
}
