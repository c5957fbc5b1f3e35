//! InjectedPanic panics, one at every place in turn: what is lost is what was torn.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use outrider_http2::{self as http2, Config, Ends, Event, Field, StreamId, WindowPool};
use outrider_identity::SpiffeId;
use outrider_policy::{Code, Tick};

use crate::config::Settings;
use crate::{
    Action, CallRecord, ConnectionId, Contained, Engine, Failpoint, Outcome, Reason, Side,
};

/// More places than three calls pass.
const PLACES_MAX: u32 = 2_000;

/// An application's sidecar between its callers and its application, all in one thread.
struct Bed {
    engine: Engine,
    callers: Vec<(ConnectionId, http2::Connection)>,
    applications: BTreeMap<ConnectionId, http2::Connection>,
    /// How each call ended for its caller: a gRPC status, or nothing but a reset or a lost
    /// connection.
    ends: BTreeMap<(usize, StreamId), Option<Code>>,
    begun: Vec<(usize, StreamId)>,
    records: Vec<CallRecord>,
    contained: Vec<Contained>,
}

fn address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1))
}

fn fields<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Iterator<Item = Field<'a>> {
    pairs
        .iter()
        .map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes()))
}

impl Bed {
    fn new(callers: usize) -> Bed {
        let settings = Settings {
            app: Some(address()),
            ..Settings::new("orders")
        };
        let mut engine = Engine::new(settings, 1);
        let peer = SpiffeId::parse(b"spiffe://outrider.local/ns/default/svc/frontend").ok();
        let connect = |_| {
            let id = engine.accepted_as(Tick::ZERO, Side::Inbound, address(), peer.clone());
            let http2 = http2::Connection::client(Config::default(), &WindowPool::new(0));
            (id, http2)
        };
        Bed {
            callers: (0..callers).map(connect).collect(),
            engine,
            applications: BTreeMap::new(),
            ends: BTreeMap::new(),
            begun: Vec::new(),
            records: Vec::new(),
            contained: Vec::new(),
        }
    }

    /// Begins a call; its body comes with the next [`Bed::run`].
    fn call(&mut self, caller: usize) -> (usize, StreamId) {
        let head = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "orders"),
            (":path", "/shop.v1.Orders/Get"),
            ("content-type", "application/grpc"),
            ("grpc-timeout", "5S"),
        ];
        let http2 = &mut self.callers[caller].1;
        let stream = http2.open(fields(&head), false).expect("a stream");
        http2.data(stream, b"please", true);
        self.begun.push((caller, stream));
        (caller, stream)
    }

    /// Until nothing moves.
    fn run(&mut self) {
        loop {
            let mut moved = self.callers_send();
            moved |= self.obey();
            moved |= self.applications_answer();
            if !moved {
                return;
            }
        }
    }

    fn callers_send(&mut self) -> bool {
        let mut moved = false;
        for (id, http2) in &mut self.callers {
            let bytes = http2.output().to_vec();
            if !bytes.is_empty() {
                http2.written(bytes.len());
                self.engine.received(Tick::ZERO, *id, &bytes);
                moved = true;
            }
        }
        moved
    }

    fn obey(&mut self) -> bool {
        let mut moved = false;
        while let Some(action) = self.engine.next_action() {
            moved = true;
            match action {
                Action::Connect { id, .. } => {
                    let http2 = http2::Connection::server(Config::default(), &WindowPool::new(0));
                    self.applications.insert(id, http2);
                    self.engine.connected(Tick::ZERO, id);
                }
                Action::Write(id) => self.deliver(id),
                Action::Close(id) => self.close(id),
                Action::Record(record) => self.records.push(*record),
                Action::Foreign { .. } => {}
                Action::Contained(what) => self.contained.push(what),
                Action::Read { .. } | Action::Want(_) => {}
            }
        }
        moved
    }

    fn close(&mut self, id: ConnectionId) {
        self.applications.remove(&id);
        let lost = self.callers.iter().position(|(known, _)| *known == id);
        // What is open on it ends without a status.
        for call in &self.begun {
            if Some(call.0) == lost {
                self.ends.entry(*call).or_insert(None);
            }
        }
    }

    fn deliver(&mut self, id: ConnectionId) {
        let bytes = self.engine.output(id).to_vec();
        self.engine.written(Tick::ZERO, id, bytes.len());
        let mut bytes = &bytes[..];
        if let Some(caller) = self.callers.iter().position(|(known, _)| *known == id) {
            let http2 = &mut self.callers[caller].1;
            while let Some(event) = http2.receive(std::time::Duration::ZERO, &mut bytes) {
                hear(&mut self.ends, caller, &event);
            }
        } else if let Some(http2) = self.applications.get_mut(&id) {
            while let Some(event) = http2.receive(std::time::Duration::ZERO, &mut bytes) {
                answer(http2, &event);
            }
        }
    }

    fn applications_answer(&mut self) -> bool {
        let mut moved = false;
        let ids: Vec<_> = self.applications.keys().copied().collect();
        for id in ids {
            let Some(http2) = self.applications.get_mut(&id) else {
                continue;
            };
            let bytes = http2.output().to_vec();
            if !bytes.is_empty() {
                http2.written(bytes.len());
                self.engine.received(Tick::ZERO, id, &bytes);
                moved = true;
            }
        }
        moved
    }

    fn is_lost(&self, caller: usize) -> bool {
        self.engine.connection(self.callers[caller].0).is_none()
    }

    /// Nothing is left of any call.
    fn assert_idle(&self, context: &str) {
        let gauges = self.engine.gauges();
        assert_eq!(gauges.calls, 0, "{context}");
        let connections = gauges.downstream.iter().sum::<usize>() + gauges.upstream;
        assert!(gauges.timers <= connections, "{context}: {gauges:?}");
        let route = self
            .engine
            .configuration
            .app_route
            .as_ref()
            .expect("an application");
        let cluster = route.clusters[0].as_ref().expect("its cluster");
        let load = [cluster.load.calls.get(), cluster.load.waiting.get()];
        assert_eq!(load, [0, 0], "{context}");
        assert_eq!(cluster.endpoints[0].in_flight.get(), 0, "{context}");
        assert_eq!(self.engine.replay_bytes, 0, "{context}");
    }
}

fn hear(ends: &mut BTreeMap<(usize, StreamId), Option<Code>>, caller: usize, event: &Event<'_>) {
    match event {
        Event::Trailers { stream, fields }
        | Event::Head {
            stream,
            fields,
            end: true,
        } => {
            let code = fields.find(b"grpc-status").map(Code::parse);
            ends.insert((caller, *stream), code);
        }
        Event::Reset { stream, .. } => {
            ends.entry((caller, *stream)).or_insert(None);
        }
        Event::Head { .. }
        | Event::Data { .. }
        | Event::Interim { .. }
        | Event::HeadTooLarge { .. }
        | Event::TrailersTooLarge { .. }
        | Event::HeadMalformed { .. }
        | Event::Malformed { .. }
        | Event::SettingsChanged
        | Event::Foreign(_)
        | Event::Pong { .. }
        | Event::Goaway { .. } => {}
        Event::Failed(error) => panic!("the sidecar broke HTTP/2: {error:?}"),
    }
}

fn answer(http2: &mut http2::Connection, event: &Event<'_>) {
    if let Event::Data {
        stream,
        ends: Ends::Stream,
        ..
    } = event
    {
        http2.head(
            *stream,
            fields(&[(":status", "200"), ("content-type", "application/grpc")]),
            false,
        );
        http2.data(*stream, b"here", false);
        http2.trailers(*stream, fields(&[("grpc-status", "0")]));
    }
}

/// InjectedPanic panics are no news.
fn hush() {
    use std::sync::Once;
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info
                .payload()
                .downcast_ref::<crate::InjectedPanic>()
                .is_none()
            {
                others(info);
            }
        }));
    });
}

/// Two callers, three calls, a panic at the `count`th place; `None`: there are fewer places.
fn strike(at: Failpoint, count: u32) -> Option<Bed> {
    let mut bed = Bed::new(2);
    bed.run();
    bed.engine.inject_panics(at, &[count]);
    let calls = [bed.call(0), bed.call(0), bed.call(1)];
    bed.run();
    bed.engine.inject_panics(at, &[]);
    let context = format!("{at:?} {count}");
    // What came on a connection that was thrown away before it was read was never a call.
    let unread = calls.iter().filter(|call| bed.is_lost(call.0)).count();
    let recorded = calls.len() - unread..=calls.len();
    assert!(
        recorded.contains(&bed.records.len()),
        "{context}: {unread} unread"
    );
    assert!(
        calls.iter().all(|call| bed.ends.contains_key(call)),
        "{context}: {:?}",
        bed.ends
    );
    bed.assert_idle(&context);
    if bed.contained.is_empty() {
        assert!(
            calls.iter().all(|call| bed.ends[call] == Some(Code::Ok)),
            "{context}"
        );
        return None;
    }
    // The sidecar serves on, on new connections and on those that were not thrown away.
    let survivor = (0..2).find(|caller| !bed.is_lost(*caller));
    if let Some(caller) = survivor {
        let after = bed.call(caller);
        bed.run();
        assert_eq!(bed.ends.get(&after), Some(&Some(Code::Ok)), "{context}");
    }
    Some(bed)
}

#[test]
fn a_panic_in_a_call_ends_that_call_with_internal_and_nothing_else() {
    hush();
    for count in 1..PLACES_MAX {
        let Some(bed) = strike(Failpoint::Call, count) else {
            assert!(count > 15, "fewer than {count} places");
            return;
        };
        let failed: Vec<_> = bed
            .ends
            .values()
            .filter(|code| **code != Some(Code::Ok))
            .collect();
        assert!(failed.len() <= 1, "place {count}: {:?}", bed.ends);
        assert!(
            failed.iter().all(|code| **code == Some(Code::Internal)),
            "place {count}: {:?}",
            bed.ends
        );
        let faults = bed
            .records
            .iter()
            .filter(|record| record.outcome == Outcome::Refused(Reason::SidecarFault));
        assert_eq!(faults.count(), failed.len(), "place {count}");
        assert!(
            !bed.contained.contains(&Contained::Connection),
            "place {count}"
        );
        assert_eq!(
            bed.engine
                .gauges()
                .counters
                .contained_panics
                .iter()
                .sum::<u64>(),
            1,
            "place {count}"
        );
    }
    panic!("more places than {PLACES_MAX}");
}

#[test]
fn a_panic_in_the_codec_ends_that_connection_and_each_of_its_calls_once() {
    hush();
    for count in 1..PLACES_MAX {
        let Some(bed) = strike(Failpoint::Codec, count) else {
            assert!(count > 50, "fewer than {count} places");
            return;
        };
        assert_eq!(
            bed.engine.gauges().counters.contained_panics[1],
            1,
            "place {count}"
        );
        let lost = bed
            .callers
            .iter()
            .filter(|(id, _)| bed.engine.connection(*id).is_none());
        assert!(lost.count() <= 1, "place {count}");
    }
    panic!("more places than {PLACES_MAX}");
}

#[test]
fn a_call_whose_end_panics_too_is_dropped_and_still_recorded() {
    hush();
    for gap in 1..40 {
        let mut bed = Bed::new(2);
        bed.run();
        bed.engine.inject_panics(Failpoint::Call, &[gap, 1]);
        let calls = [bed.call(0), bed.call(1)];
        bed.run();
        bed.engine.inject_panics(Failpoint::Call, &[]);
        assert_eq!(bed.records.len(), calls.len(), "gap {gap}");
        assert!(
            calls.iter().all(|call| bed.ends.contains_key(call)),
            "gap {gap}: {:?}",
            bed.ends
        );
        bed.assert_idle(&format!("gap {gap}"));
    }
}
