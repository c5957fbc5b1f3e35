//! A name with addresses of both families: who gets the calls, and when the other one does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use outrider_engine::Side;
use outrider_engine::config::{Cluster, Endpoint, Snapshot, Transport};
use outrider_policy::{Code, Family};

use crate::world::mesh::{CALLER, Mesh, WRITE, address, snapshot};

/// Long enough for another attempt.
const RETRIED: Duration = Duration::from_millis(200);

const IPV4: &str = "10.0.0.1:9001";
const IPV6: &str = "[fd00::1]:9001";

/// A caller whose `orders` is one name with these addresses.
struct Bed {
    mesh: Mesh,
    /// Calls answered by each server.
    answered: BTreeMap<usize, usize>,
}

fn configuration(endpoints: &[&str], change: impl FnOnce(&mut Cluster)) -> Snapshot {
    let addresses: Vec<SocketAddr> = endpoints.iter().map(|it| address(it)).collect();
    let mut known = Arc::unwrap_or_clone(snapshot(&addresses, Transport::Plaintext));
    let cluster = known.clusters.get_mut("orders").expect("it is there");
    let cluster = Arc::make_mut(cluster);
    let name: Arc<str> = Arc::from("orders.internal:9001");
    for endpoint in &mut cluster.endpoints {
        *endpoint = Endpoint {
            two_families: Some(Arc::clone(&name)),
            ..endpoint.clone()
        };
    }
    change(cluster);
    known
}

impl Bed {
    /// Servers listen at `serving`; at the other addresses connections are refused.
    fn new(serving: &[&str]) -> Bed {
        let mut mesh = Mesh::new(0);
        for server in serving {
            mesh.world.serve(address(server));
        }
        mesh.configure(configuration(&[IPV4, IPV6], |_| {}));
        Bed {
            mesh,
            answered: BTreeMap::new(),
        }
    }

    /// Makes a call that may not be repeated, waits for `patience`, answers it if it has arrived, and
    /// says where it went.
    fn call(&mut self, patience: Duration) -> (Option<SocketAddr>, Code) {
        self.mesh.client().call("orders", WRITE, &[], true);
        self.mesh.world.advance(patience);
        for server in self.mesh.servers() {
            let answered = self.answered.entry(server).or_default();
            let heads = self.mesh.world.peers[server].heads();
            for (stream, _) in &heads[*answered..] {
                self.mesh.world.peers[server].answer(*stream, b"written", "0");
            }
            *answered = heads.len();
        }
        self.mesh.world.settle();
        self.mesh.assert_quiet();
        let record = self.mesh.world.records.last().expect("the call has ended");
        assert_eq!(record.side, Side::Outbound);
        (record.endpoint, record.code)
    }

    #[track_caller]
    fn assert_goes_to(&mut self, server: &str) {
        let gone = self.call(Duration::ZERO);
        assert_eq!(gone, (Some(address(server)), Code::Ok));
    }

    fn cut_all(&mut self) {
        for server in self.mesh.servers() {
            self.mesh.world.cut(server);
        }
    }
}

#[test]
fn the_family_that_answers_gets_all_calls() {
    let cases: [(&str, &[&str], &str); 3] = [
        ("both: IPv6 is tried first", &[IPV4, IPV6], IPV6),
        ("IPv6 alone", &[IPV6], IPV6),
        ("IPv4 alone", &[IPV4], IPV4),
    ];
    for (rule, serving, expected) in cases {
        let mut bed = Bed::new(serving);
        for _ in 0..20 {
            let gone = bed.call(Duration::ZERO);
            assert_eq!(gone, (Some(address(expected)), Code::Ok), "{rule}");
        }
        let records = &bed.mesh.world.records;
        assert!(records.iter().all(|record| record.attempts == 1), "{rule}");
        assert_eq!(bed.mesh.servers().len(), 1, "{rule}: one connection");
    }
}

#[test]
fn a_family_that_does_not_answer_holds_a_call_for_a_quarter_of_a_second() {
    let mut bed = Bed::new(&[IPV4]);
    bed.mesh.world.swallow(address(IPV6));
    let gone = bed.call(Duration::from_millis(250));
    assert_eq!(gone, (Some(address(IPV4)), Code::Ok));
    bed.assert_goes_to(IPV4);
    bed.mesh.world.advance(Duration::from_secs(5));
    bed.assert_goes_to(IPV4);
}

#[test]
fn a_document_may_say_which_is_tried_first() {
    let mut bed = Bed::new(&[IPV4, IPV6]);
    bed.mesh.configure(configuration(&[IPV4, IPV6], |cluster| {
        cluster.policy.first_family = Family::Ipv4;
    }));
    bed.assert_goes_to(IPV4);
}

#[test]
fn the_other_family_is_the_fall_back_and_stays_preferred() {
    let mut bed = Bed::new(&[IPV4, IPV6]);
    bed.assert_goes_to(IPV6);
    bed.mesh.world.close(address(IPV6));
    bed.cut_all();
    bed.assert_goes_to(IPV4);
    bed.mesh.world.serve(address(IPV6));
    bed.assert_goes_to(IPV4);
    bed.mesh.world.close(address(IPV4));
    bed.cut_all();
    bed.assert_goes_to(IPV6);
}

#[test]
fn one_address_that_fails_does_not_turn_its_family() {
    let other = "[fd00::2]:9001";
    let mut bed = Bed::new(&[IPV4, IPV6, other]);
    let all = || configuration(&[IPV4, IPV6, other], |_| {});
    bed.mesh.configure(all());
    bed.call(Duration::ZERO);
    bed.call(Duration::ZERO);
    assert_eq!(bed.mesh.servers().len(), 2, "both IPv6 addresses");
    bed.mesh.world.close(address(other));
    bed.mesh.configure(configuration(&[IPV4, IPV6], |_| {}));
    bed.mesh.configure(all());
    for _ in 0..10 {
        let gone = bed.call(RETRIED);
        assert_eq!(gone, (Some(address(IPV6)), Code::Ok));
    }
}

#[test]
fn both_are_tried_before_a_call_fails_and_again_by_the_next() {
    let mut bed = Bed::new(&[]);
    let (_, code) = bed.call(Duration::from_secs(20));
    assert_eq!(code, Code::Unavailable);
    for server in [IPV4, IPV6] {
        bed.mesh.world.serve(address(server));
        bed.mesh.world.advance(Duration::from_secs(60));
        let (gone, code) = bed.call(Duration::from_millis(100));
        assert_eq!((gone, code), (Some(address(server)), Code::Ok));
        bed.mesh.world.close(address(server));
        bed.cut_all();
    }
}

#[test]
fn what_was_learned_outlives_a_change_of_configuration() {
    let mut bed = Bed::new(&[IPV4]);
    bed.assert_goes_to(IPV4);
    bed.mesh.world.serve(address(IPV6));
    bed.mesh
        .configure(configuration(&[IPV4, IPV6, "10.0.0.2:9001"], |_| {}));
    let (gone, code) = bed.call(RETRIED);
    assert_eq!(code, Code::Ok);
    assert!(gone.is_some_and(|it| it.is_ipv4()), "{gone:?}");
}

#[test]
fn addresses_of_other_names_take_their_turn_beside_it() {
    let mut bed = Bed::new(&[IPV4, IPV6, "10.0.0.3:9001"]);
    bed.mesh.configure(configuration(&[IPV4, IPV6], |cluster| {
        cluster
            .endpoints
            .push(Endpoint::at(address("10.0.0.3:9001")));
    }));
    let mut gone: BTreeMap<SocketAddr, usize> = BTreeMap::new();
    for _ in 0..20 {
        let (server, code) = bed.call(Duration::ZERO);
        assert_eq!(code, Code::Ok);
        *gone.entry(server.expect("an endpoint")).or_default() += 1;
    }
    let expected = [(address("10.0.0.3:9001"), 10), (address(IPV6), 10)];
    assert_eq!(gone, BTreeMap::from(expected));
    let gauges = bed.mesh.world.engines[CALLER].gauges();
    assert_eq!(gauges.upstream, 2, "none to the family that stands back");
}
