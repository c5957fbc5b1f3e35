//! Reports endpoints that left or returned to the rotation, each change once.
//!
//! Asked of the engines' gauges with each announcement: an ejection that came and went between two
//! is not told. Who decides on ejections is `policy`.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use outrider_engine::Gauges;
use outrider_proto::v1::Observation;

type Endpoints = BTreeSet<(Arc<str>, SocketAddr)>;

/// Most observations at once. 64: what a control plane reads of one announcement.
const TOLD_MAX: usize = 64;

/// The endpoints last reported as out of rotation.
#[derive(Debug, Default)]
pub struct Observer {
    out: Endpoints,
}

impl Observer {
    /// What has changed, by the answers of all workers. An endpoint is out while any of them has
    /// it out; one that is gone is not told of any more. Without one of the answers nothing is
    /// known. What is more than 64 is told the next time.
    pub fn observe(&mut self, gauges: &[Option<Gauges>]) -> Vec<Observation> {
        if gauges.iter().any(Option::is_none) {
            return Vec::new();
        }
        let (out, here) = (endpoints(gauges, |out| out), endpoints(gauges, |_| true));
        self.out.retain(|it| here.contains(it));
        let changed = out.symmetric_difference(&self.out).take(TOLD_MAX);
        let changed: Vec<_> = changed.cloned().collect();
        let news = changed.into_iter().map(|it| match out.contains(&it) {
            true => {
                let ejected = observation("ejected", &it);
                self.out.insert(it);
                ejected
            }
            false => {
                self.out.remove(&it);
                observation("returned", &it)
            }
        });
        news.collect()
    }
}

fn endpoints(gauges: &[Option<Gauges>], counts: impl Fn(bool) -> bool) -> Endpoints {
    let clusters = gauges.iter().flatten().flat_map(|gauges| &gauges.clusters);
    let all = clusters.flat_map(|cluster| {
        let endpoints = cluster.endpoints.iter();
        endpoints.map(|endpoint| (endpoint.out, (Arc::clone(&cluster.name), endpoint.address)))
    });
    all.filter(|(out, _)| counts(*out))
        .map(|(_, it)| it)
        .collect()
}

fn observation(kind: &str, (service, endpoint): &(Arc<str>, SocketAddr)) -> Observation {
    Observation {
        kind: kind.to_owned(),
        service: service.to_string(),
        endpoint: endpoint.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outrider_engine::config::Endpoint;
    use outrider_engine::{ClusterGauge, EndpointGauge};
    use std::time::Duration;

    /// Of two workers.
    type Answers = Vec<Option<Gauges>>;

    /// A worker's answer: the ports of orders' endpoints, and whether they are out.
    fn gauges(endpoints: &[(u16, bool)]) -> Option<Gauges> {
        let endpoints = endpoints.iter().map(|(port, out)| EndpointGauge {
            address: SocketAddr::from(([10, 0, 0, 1], *port)),
            listed: Endpoint::at(SocketAddr::from(([10, 0, 0, 1], *port))),
            known_for: Duration::ZERO,
            in_flight: 0,
            latency: Duration::ZERO,
            out: *out,
            breaker: "closed",
            connections: 0,
            room: 0,
        });
        let orders = ClusterGauge {
            name: Arc::from("orders"),
            endpoints: endpoints.collect(),
            in_line: 0,
        };
        Some(Gauges {
            clusters: vec![orders],
            ..Gauges::default()
        })
    }

    #[test]
    fn each_change_is_told_once() {
        let mut observer = Observer::default();
        let (inside, outside) = (
            gauges(&[(1, false), (2, false)]),
            gauges(&[(1, true), (2, false)]),
        );
        let steps: [(&str, Answers, &[&str]); 7] = [
            ("all are well", vec![inside.clone(), inside.clone()], &[]),
            (
                "one worker has it out",
                vec![inside.clone(), outside.clone()],
                &["ejected 1"],
            ),
            (
                "so has the other",
                vec![outside.clone(), outside.clone()],
                &[],
            ),
            ("a worker says nothing", vec![None, inside.clone()], &[]),
            (
                "both have it back",
                vec![inside.clone(), inside],
                &["returned 1"],
            ),
            ("out again", vec![outside.clone(), outside], &["ejected 1"]),
            (
                "and gone",
                vec![gauges(&[(2, false)]), gauges(&[(2, false)])],
                &[],
            ),
        ];
        for (rule, gauges, expected) in steps {
            let told = observer.observe(&gauges);
            let told = told.iter().map(|it| {
                let port = it.endpoint.rsplit(':').next().unwrap_or_default();
                format!("{} {port}", it.kind)
            });
            assert_eq!(told.collect::<Vec<_>>(), expected, "{rule}");
        }
    }

    #[test]
    fn what_is_too_much_at_once_is_told_the_next_time() {
        let mut observer = Observer::default();
        let many: Vec<(u16, bool)> = (1..=100).map(|port| (port, true)).collect();
        let counts = [64, 36, 0];
        for expected in counts {
            let told = observer.observe(&[gauges(&many)]);
            assert_eq!(told.len(), expected);
        }
    }
}
