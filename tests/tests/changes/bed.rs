//! Where a change is looked at: one sidecar's engine in a world without sockets, configured by documents
//! as a process would be; beside it the sidecars and applications of two instances.
//!
//! `10.0.0.1:1000` and `:1001` are sidecars of `orders` over mutual TLS, `127.0.0.1:2000` and `:2001`
//! their applications, which can be reached in plaintext too; `10.9.9.9:9` answers nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use outrider_daemon::xds;
use outrider_engine::config::Snapshot;
use outrider_engine::{CallRecord, EndCause, EndpointGauge, Gauges, Side};
use outrider_http2::StreamId;

use crate::world::mesh::{CALLER, Mesh, address};

/// A unary method of `orders` where documents say so.
pub const GET: &str = "/shop.v1.Orders/Get";
pub const SECOND: Duration = Duration::from_secs(1);
/// What every host name stands for.
const THIS_MACHINE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

pub struct Bed {
    pub mesh: Mesh,
    /// What a case watches.
    pub watched: Option<SocketAddr>,
}

impl Bed {
    pub fn new(documents: &str) -> Bed {
        let mut mesh = Mesh::new(2);
        mesh.world.swallow(address("10.9.9.9:9"));
        let mut bed = Bed {
            mesh,
            watched: None,
        };
        bed.change(documents);
        bed
    }

    /// The documents are now these.
    pub fn change(&mut self, documents: &str) {
        self.mesh.configure(snapshot(documents));
    }

    pub fn advance(&mut self, by: Duration) {
        self.mesh.world.advance(by);
    }

    pub fn gauges(&self) -> Gauges {
        self.mesh.world.engines[CALLER].gauges()
    }

    /// Connections that were ended for `cause`, of callers and to endpoints.
    pub fn ended(&self, cause: EndCause) -> u64 {
        self.gauges()
            .counters
            .ended
            .map(|by| by[cause as usize])
            .iter()
            .sum()
    }

    /// Begins a call; nobody answers it yet.
    pub fn begin(&mut self, authority: &str, path: &str, more: &[(&str, &str)]) -> StreamId {
        let stream = self.mesh.client().call(authority, path, more, true);
        self.mesh.world.settle();
        stream
    }

    /// Answers every request that has come to an application and has no answer: with the gRPC status
    /// that `status` gives for the application, in order of their connections.
    pub fn answer(&mut self, status: &dyn Fn(usize) -> &'static str) {
        for server in self.mesh.servers() {
            for (stream, _) in self.mesh.world.peers[server].heads() {
                // Of one that was answered before HTTP/2 hears nothing.
                self.mesh.world.peers[server].answer(stream, b"", status(server));
            }
        }
        self.mesh.world.settle();
    }

    /// A call to `orders` whose every attempt gets `status`; its record.
    pub fn call_for(&mut self, status: &'static str, path: &str) -> CallRecord {
        self.call_with("orders", path, &[], &|_| status)
    }

    /// A call that goes well, if it is let.
    pub fn call(&mut self, authority: &str, path: &str) -> CallRecord {
        self.call_with(authority, path, &[], &|_| "0")
    }

    pub fn call_with(
        &mut self,
        authority: &str,
        path: &str,
        more: &[(&str, &str)],
        status: &dyn Fn(usize) -> &'static str,
    ) -> CallRecord {
        let before = self.records().count();
        self.begin(authority, path, more);
        // Retries wait for a few milliseconds each.
        for _ in 0..100 {
            self.answer(status);
            if let Some(record) = self.records().nth(before) {
                return record.clone();
            }
            self.advance(Duration::from_millis(20));
        }
        panic!("the call has no end");
    }

    /// The endpoint that has a call, on the side of the caller's sidecar.
    pub fn busy(&self) -> Option<SocketAddr> {
        let busy = self.endpoints().into_iter().find(|it| it.in_flight > 0);
        busy.map(|endpoint| endpoint.address)
    }

    pub fn endpoints(&self) -> Vec<EndpointGauge> {
        let clusters = self.gauges().clusters.into_iter();
        clusters.flat_map(|cluster| cluster.endpoints).collect()
    }

    pub fn records(&self) -> impl Iterator<Item = &CallRecord> {
        let records = self.mesh.world.records.iter();
        records.filter(|record| record.side == Side::Outbound)
    }
}

/// What a sidecar of `frontend` makes of documents.
pub fn snapshot(documents: &str) -> Snapshot {
    let loaded = outrider_documents::load(&[("mesh.yaml", documents)]);
    let loaded = loaded.unwrap_or_else(|errors| panic!("{documents}\n{errors:?}"));
    let resources = outrider_documents::render(&loaded);
    let accepted = xds::accept(&resources, &xds::Configuration::default());
    assert!(accepted.rejected.is_empty(), "{:?}", accepted.rejected);
    let inbound = outrider_proto::inbound_listener("default", "frontend");
    accepted.configuration.snapshot(&inbound, |_| &THIS_MACHINE)
}
