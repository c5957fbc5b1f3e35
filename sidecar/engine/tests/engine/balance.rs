//! Who gets how many calls, and who is found when the others fail: the policy's figures once more
//! through the whole engine.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use outrider_engine::Side;
use outrider_engine::config::{Endpoint, HealthStatus, Transport};
use outrider_http2::StreamId;
use outrider_policy::{Code, Tick};

use crate::world::Seen;
use crate::world::mesh::{GET, Mesh, address, snapshot};

const CHAT: &str = "/shop.v1.Orders/Chat";
const MILLISECOND: Duration = Duration::from_millis(1);

/// Applications that answer after a while, by their place in the order of their first calls.
struct Shop {
    mesh: Mesh,
    /// Milliseconds of each; 2 unless set.
    latencies: BTreeMap<usize, u64>,
    /// Those that fail, by address.
    dead: Vec<usize>,
    due: BTreeMap<(Tick, usize, u32), (StreamId, &'static str)>,
    answered: BTreeMap<usize, usize>,
}

impl Shop {
    fn new(count: usize) -> Shop {
        Shop::of(count, |_| {})
    }

    /// The same with other endpoints; each has its place, from 0 on, in the last digit of its port.
    fn of(count: usize, change: impl FnOnce(&mut Vec<Endpoint>)) -> Shop {
        let mut mesh = Mesh::new(0);
        let addresses: Vec<_> = (0..count).map(at).collect();
        for address in &addresses {
            mesh.world.serve(*address);
        }
        let mut snapshot = snapshot(&addresses, Transport::Plaintext);
        let known = Arc::make_mut(&mut snapshot);
        let orders = known.clusters.get_mut("orders").expect("the cluster");
        change(&mut Arc::make_mut(orders).endpoints);
        let now = mesh.world.now;
        mesh.world.engines[0].configure(now, snapshot);
        Shop {
            mesh,
            latencies: BTreeMap::new(),
            dead: vec![],
            due: BTreeMap::new(),
            answered: BTreeMap::new(),
        }
    }

    /// Calls `path` every `interval` milliseconds, `count` times, and lets the last one end; the
    /// calls that each application got.
    fn call(&mut self, path: &str, interval: u64, count: usize) -> Vec<usize> {
        let before = self.answered.clone();
        for _ in 0..count {
            self.mesh.client().call("orders", path, &[], true);
            for _ in 0..interval {
                self.step();
            }
        }
        while !self.due.is_empty() {
            self.step();
        }
        let got = |(server, now): (&usize, &usize)| now - before.get(server).unwrap_or(&0);
        self.answered.iter().map(got).collect()
    }

    /// Calls in the last `count` records, by the place of the endpoint that ended them.
    fn ended_at(&self, count: usize) -> BTreeMap<usize, usize> {
        let records = &self.mesh.world.records;
        let mut ended = BTreeMap::new();
        for record in &records[records.len() - count..] {
            let port = record.endpoint.map_or(0, |endpoint| endpoint.port());
            *ended.entry(usize::from(port) - 1_000).or_default() += 1;
        }
        ended
    }

    fn step(&mut self) {
        self.mesh.world.advance(MILLISECOND);
        self.mesh.client().seen.clear();
        let now = self.mesh.world.now;
        for (place, server) in self.mesh.servers().into_iter().enumerate() {
            let seen = std::mem::take(&mut self.mesh.world.peers[server].seen);
            let answered = self.answered.entry(server).or_default();
            for stream in seen.iter().filter_map(request) {
                *answered += 1;
                let latency = self.latencies.get(&place).copied().unwrap_or(2);
                let status = if self.dead.contains(&place) {
                    "14"
                } else {
                    "0"
                };
                let at = now + Duration::from_millis(latency);
                self.due
                    .insert((at, server, stream.value()), (stream, status));
            }
        }
        let later = self.due.split_off(&(now + Duration::from_nanos(1), 0, 0));
        for ((_, server, _), (stream, status)) in std::mem::replace(&mut self.due, later) {
            self.mesh.world.peers[server].answer(stream, b"x", status);
        }
        self.mesh.world.settle();
    }

    /// Calls that ended with another code than OK since `from` records, and the longest row of them.
    fn failed_since(&self, from: usize) -> (usize, usize) {
        let codes = self.mesh.outcome(Side::Outbound);
        let (mut failed, mut row, mut longest) = (0, 0, 0);
        for (_, code) in &codes[from..] {
            row = if *code == Code::Ok { 0 } else { row + 1 };
            failed += usize::from(row > 0);
            longest = longest.max(row);
        }
        (failed, longest)
    }
}

fn at(place: usize) -> SocketAddr {
    address(&format!("10.0.0.2:{}", 1000 + place))
}

fn request(seen: &Seen) -> Option<StreamId> {
    match seen {
        Seen::Head(stream, ..) => Some(*stream),
        Seen::Data(..) | Seen::Trailers(..) | Seen::Reset(..) | Seen::Goaway(_) => None,
    }
}

/// A call every 200, 20 and 1 milliseconds, over five seconds at most.
const PACES: [(u64, usize); 3] = [(200, 25), (20, 250), (1, 1_000)];

#[test]
fn equal_endpoints_get_equal_shares() {
    for (interval, calls) in PACES {
        for count in [2, 3, 10] {
            let mut shop = Shop::new(count);
            for _ in 0..4 {
                let got = shop.call(CHAT, interval, calls);
                let fair = calls as f64 / count as f64;
                let allowed = (0.2 * fair).max(1.0);
                let is_fair = |got: &usize| (*got as f64 - fair).abs() <= allowed;
                assert!(
                    got.len() == count && got.iter().all(is_fair),
                    "{interval} ms: {got:?}"
                );
            }
        }
    }
}

#[test]
fn a_slow_first_answer_costs_an_endpoint_nothing_for_long() {
    for (interval, calls) in PACES {
        for count in [2, 3, 10] {
            let mut shop = Shop::new(count);
            shop.latencies.insert(1, 300);
            let first = |shop: &Shop| shop.answered.values().filter(|got| **got > 0).count() >= 2;
            while !first(&shop) {
                shop.call(CHAT, interval, 1);
            }
            shop.latencies.clear();
            shop.call(CHAT, interval, (3_000 / interval) as usize);
            let got = shop.call(CHAT, interval, calls);
            assert!(2 * got[1] + 1 >= calls / count, "{interval} ms: {got:?}");
        }
    }
}

#[test]
fn one_that_is_ten_times_slower_gets_little() {
    for (interval, calls) in [(20, 500), (1, 2_000)] {
        for count in [2, 3, 10] {
            let mut shop = Shop::new(count);
            shop.latencies.insert(0, 20);
            shop.call(CHAT, interval, calls);
            let got = shop.call(CHAT, interval, calls);
            assert!(
                10 * got[0] * count <= calls,
                "{interval} ms: {got:?} of {calls}"
            );
        }
    }
}

/// Both fail for a while and are healed; then the second fails: the first is found, for calls that
/// may be repeated and for those that may not.
#[test]
fn a_healthy_endpoint_behind_an_open_breaker_is_found() {
    for (path, few) in [(GET, 0), (CHAT, 12)] {
        for (first, second) in [(0, 1), (1, 0)] {
            let mut shop = Shop::new(2);
            shop.call(path, 20, 50);
            shop.dead = vec![first];
            shop.call(path, 20, 1_000);
            shop.dead = vec![first, second];
            shop.call(path, 20, 250);
            shop.dead = vec![second];
            let from = shop.mesh.outcome(Side::Outbound).len();
            shop.call(path, 20, 240);
            let (failed, longest) = shop.failed_since(from);
            assert!(
                longest <= 5 && failed <= few + 5,
                "{path}: {failed}, {longest} in a row"
            );
        }
    }
}

#[test]
fn a_retry_goes_to_one_that_is_out_rather_than_back() {
    let mut shop = Shop::new(2);
    shop.call(GET, 20, 50);
    shop.dead = vec![0];
    shop.call(GET, 20, 1_000);
    // Healed, but its breaker does not know yet; and the other one begins to fail.
    shop.dead = vec![1];
    let from = shop.mesh.outcome(Side::Outbound).len();
    shop.call(GET, 20, 50);
    assert_eq!(shop.failed_since(from), (0, 0));
    shop.mesh.assert_quiet();
}

#[test]
fn an_endpoint_of_three_times_the_weight_gets_three_times_the_calls() {
    let mut shop = Shop::of(2, |endpoints| endpoints[1].weight = 3);
    shop.call(CHAT, 1, 400);
    let ended = shop.ended_at(400);
    assert!((90..=110).contains(&ended[&0]), "{ended:?}");
}

#[test]
fn endpoints_of_the_next_priority_are_used_while_all_of_the_best_are_out() {
    let mut shop = Shop::of(3, |endpoints| {
        endpoints[0].priority = 7;
        endpoints[2].priority = 3;
    });
    shop.call(CHAT, 10, 100);
    assert_eq!(
        shop.ended_at(100),
        [(1, 100)].into(),
        "the best priority alone"
    );
    shop.dead = vec![0];
    shop.call(CHAT, 10, 100);
    shop.call(CHAT, 10, 100);
    let (others, failed) = (shop.ended_at(100), shop.failed_since(200).1);
    assert!(others[&2] >= 90 && !others.contains_key(&0), "{others:?}");
    assert!(failed <= 10, "{failed} calls failed in a row");
    shop.dead = vec![];
    shop.call(CHAT, 10, 1_000);
    assert_eq!(shop.ended_at(100), [(1, 100)].into(), "it is well again");
}

#[test]
fn an_endpoint_that_its_source_says_is_not_healthy_gets_no_calls() {
    let mut shop = Shop::of(3, |endpoints| {
        endpoints[0].health = HealthStatus::Draining;
        endpoints[1].health = HealthStatus::Unhealthy;
    });
    shop.call(CHAT, 10, 20);
    assert_eq!(shop.ended_at(20), [(2, 20)].into());
}
