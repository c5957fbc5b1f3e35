//! A sidecar of the simulation: an engine, and the loop that a process would run around it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use outrider_engine::{Action, CallRecord, CloseCause, ConnectFailure, ConnectionId, Engine, Side};
use outrider_policy::Tick;

use super::agenda::Event;
use super::configuration::{identity, server_address, sidecar_address};
use super::fields::call_of;
use super::network::Place;
use super::world::{CALLERS_SIDECAR, Wire, World};

/// Everything an engine may hold ready for one socket: DATA stops at 256 KiB, the frame that
/// passes it ends, heads and control frames come on top.
const OUTPUT_BYTES_MAX: usize = (256 + 16 + 64) * 1024;

/// An engine and its sockets.
pub(super) struct Sidecar {
    pub(super) engine: Engine,
    /// Link and end of each connection.
    links: BTreeMap<ConnectionId, (usize, usize)>,
    ids: BTreeMap<(usize, usize), ConnectionId>,
    wake: Option<Tick>,
    pub(super) is_listening: bool,
}

impl Sidecar {
    pub(super) fn new(engine: Engine) -> Sidecar {
        Sidecar {
            engine,
            links: BTreeMap::new(),
            ids: BTreeMap::new(),
            wake: None,
            is_listening: true,
        }
    }

    fn bind(&mut self, id: ConnectionId, link: usize, end: usize) {
        self.links.insert(id, (link, end));
        self.ids.insert((link, end), id);
    }
}

impl World {
    /// A connection attempt has reached a sidecar's listener.
    pub(super) fn sidecar_accepts(&mut self, sidecar: usize, link: usize) {
        let side = if sidecar == CALLERS_SIDECAR {
            Side::Outbound
        } else {
            Side::Inbound
        };
        let address = SocketAddr::from(([127, 0, 0, 1], 40_000 + (link % 20_000) as u16));
        let (now, wire) = (self.now, self.wire);
        let me = &mut self.sidecars[sidecar];
        let id = match (side, wire) {
            (Side::Outbound, _) => me.engine.accepted(now, side, address),
            (Side::Inbound, Wire::Tls) => me.engine.accepted(now, side, address),
            (Side::Inbound, Wire::Plain) => {
                let caller = Some(identity("client"));
                me.engine.accepted_as(now, side, address, caller)
            }
        };
        me.bind(id, link, 1);
        self.turn(sidecar);
    }

    /// A connection this sidecar asked for is up.
    pub(super) fn sidecar_connected(&mut self, sidecar: usize, link: usize) {
        let (now, wire) = (self.now, self.wire);
        let me = &mut self.sidecars[sidecar];
        let Some(id) = me.ids.get(&(link, 0)).copied() else {
            return;
        };
        match wire {
            Wire::Plain if sidecar == CALLERS_SIDECAR => {
                me.engine.connected_as(now, id, identity("echo"));
            }
            Wire::Plain | Wire::Tls => me.engine.connected(now, id),
        }
        self.turn(sidecar);
    }

    pub(super) fn sidecar_refused(&mut self, sidecar: usize, link: usize) {
        let now = self.now;
        let me = &mut self.sidecars[sidecar];
        let Some(id) = me.ids.get(&(link, 0)).copied() else {
            return;
        };
        me.engine.connect_failed(now, id, ConnectFailure::Refused);
        self.turn(sidecar);
    }

    pub(super) fn sidecar_receives(&mut self, sidecar: usize, at: (usize, usize), bytes: &[u8]) {
        let now = self.now;
        let me = &mut self.sidecars[sidecar];
        if let Some(id) = me.ids.get(&at).copied() {
            me.engine.received(now, id, bytes);
            self.turn(sidecar);
        }
    }

    pub(super) fn sidecar_hung_up(
        &mut self,
        sidecar: usize,
        at: (usize, usize),
        cause: CloseCause,
    ) {
        let now = self.now;
        let me = &mut self.sidecars[sidecar];
        if let Some(id) = me.ids.get(&at).copied() {
            me.engine.closed(now, id, cause);
            self.turn(sidecar);
        }
    }

    /// There is room again on a link whose end is this sidecar's.
    pub(super) fn sidecar_writable(&mut self, sidecar: usize, at: (usize, usize)) {
        if let Some(id) = self.sidecars[sidecar].ids.get(&at).copied() {
            self.write(sidecar, id);
            self.turn(sidecar);
        }
    }

    pub(super) fn wake(&mut self, sidecar: usize) {
        let me = &mut self.sidecars[sidecar];
        if me.wake == Some(self.now) {
            me.wake = None;
        }
        self.turn(sidecar);
    }

    /// One turn of the loop: the time is told, then every action is done.
    pub(super) fn turn(&mut self, sidecar: usize) {
        let now = self.now;
        self.sidecars[sidecar].engine.tick(now);
        while let Some(action) = self.sidecars[sidecar].engine.next_action() {
            self.act(sidecar, action);
        }
        let me = &mut self.sidecars[sidecar];
        if let Some(due) = me.engine.wake_at()
            && me.wake.is_none_or(|planned| due < planned)
        {
            me.wake = Some(due);
            self.agenda.plan(due.max(now), Event::Wake { sidecar });
        }
        self.check_turn(sidecar);
    }

    fn act(&mut self, sidecar: usize, action: Action) {
        match action {
            Action::Connect { id, address } => {
                let to = self.place_of(address);
                let link = self.connect(Place::Sidecar(sidecar), to);
                self.sidecars[sidecar].bind(id, link, 0);
            }
            Action::Write(id) => self.write(sidecar, id),
            Action::Close(id) => self.close(sidecar, id),
            Action::Read { id, on } => {
                if let Some((link, end)) = self.sidecars[sidecar].links.get(&id).copied() {
                    self.network.set_reading(link, end, on);
                    self.agenda.plan(
                        self.now,
                        Event::Arrive {
                            link,
                            from: 1 - end,
                        },
                    );
                }
            }
            Action::Want(name) => self.wanted(sidecar, &name),
            Action::Record(record) => self.recorded(sidecar, *record),
            Action::Foreign { .. } => {}
            Action::Contained(what) => self.contained(sidecar, what),
        }
    }

    fn place_of(&self, address: SocketAddr) -> Place {
        let mut all = 0..self.plan.endpoints;
        let sidecar = all.clone().find(|k| sidecar_address(*k) == address);
        let server = all.find(|k| server_address(*k) == address);
        match (sidecar, server) {
            (Some(endpoint), _) => Place::Sidecar(endpoint + 1),
            (None, Some(server)) => Place::Server(server),
            (None, None) => unreachable!("the configuration names no other address"),
        }
    }

    fn write(&mut self, sidecar: usize, id: ConnectionId) {
        let Some(at) = self.sidecars[sidecar].links.get(&id).copied() else {
            return self.broken(format!("sidecar {sidecar}: writes to a closed connection"));
        };
        let (now, most) = (self.now, OUTPUT_BYTES_MAX + self.heads_at_once());
        loop {
            let engine = &mut self.sidecars[sidecar].engine;
            let output = engine.output(id);
            let held = output.len();
            if held == 0 {
                return;
            }
            let count = self.network.send(&mut self.agenda, now, at, output);
            if held > most {
                return self.broken(format!("sidecar {sidecar}: {held} octets of output"));
            }
            if count == 0 {
                return;
            }
            engine.written(now, id, count);
        }
    }

    fn close(&mut self, sidecar: usize, id: ConnectionId) {
        let me = &mut self.sidecars[sidecar];
        let Some((link, end)) = me.links.remove(&id) else {
            return self.broken(format!("sidecar {sidecar}: closes a connection twice"));
        };
        me.ids.remove(&(link, end));
        self.network.close(&mut self.agenda, self.now, link, end);
    }

    fn recorded(&mut self, sidecar: usize, record: CallRecord) {
        self.note(|_| {
            format!(
                "sidecar {sidecar}: {} ends: {:?} {:?}, {} attempts, {} retries, {:?}",
                record.request_id,
                record.outcome,
                record.code,
                record.attempts,
                record.retries,
                record.detail.as_deref().unwrap_or_default()
            )
        });
        if self.is_hostile_record(&record) {
            return;
        }
        let Some(call) = call_of(&record.request_id) else {
            return self.broken(format!("sidecar {sidecar}: a record of nobody: {record:?}"));
        };
        self.check_record(call, &record);
        match record.side {
            Side::Outbound => self.calls[call].outbound.push(record),
            Side::Inbound => self.calls[call].inbound.push(record),
        }
    }
}
