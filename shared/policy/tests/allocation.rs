//! A route lookup allocates nothing, whatever it finds; nor does a rate limit's decision.

use std::borrow::Cow;
use std::time::Duration;

use outrider_policy::{
    Authority, CallPolicy, GrpcPath, HeaderMatch, HeaderValueMatch, KeyTable, LimitKey, PathMatch,
    RateAlgorithm, RateLimit, Route, RouteMatch, RouteTable, Target, Tick, VirtualHost,
    WeightedCluster, pick_weighted,
};

fn route(path: PathMatch, headers: Vec<HeaderMatch>) -> Route {
    Route {
        name: "orders".to_owned(),
        matches: RouteMatch {
            path,
            headers,
            grpc_only: true,
        },
        clusters: vec![WeightedCluster {
            cluster: "orders".to_owned(),
            weight: 1,
        }],
        policy: CallPolicy::default(),
    }
}

fn table() -> RouteTable {
    let tier = HeaderMatch {
        name: "x-tier".to_owned(),
        value: HeaderValueMatch::Exact("gold".to_owned()),
        invert: false,
    };
    RouteTable::build(vec![VirtualHost {
        name: "orders".to_owned(),
        domains: vec!["orders".to_owned(), "grpc/shop.v1.Orders".to_owned()],
        routes: vec![
            route(
                PathMatch::Exact("/shop.v1.Orders/Get".to_owned()),
                vec![tier],
            ),
            route(PathMatch::Service("shop.v1.Orders".to_owned()), vec![]),
        ],
    }])
    .expect("a good configuration")
}

/// From the octets of the head to the name of a cluster; `None` if no route was found.
fn look_up<'t>(table: &'t RouteTable, authority: &[u8], path: &[u8]) -> Option<&'t str> {
    let authority = Authority::parse(authority).ok()?;
    let grpc_path = GrpcPath::parse(path).ok()?;
    let target = Target {
        authority: &authority,
        grpc_service: Some(grpc_path.service),
    };
    let headers = |name: &str| (name == "x-tier").then_some(Cow::Borrowed(b"iron".as_slice()));
    let route = table.route(table.find(target, path, true, headers).ok()?);
    let picked = pick_weighted(&route.clusters, 7)?;
    route
        .clusters
        .get(picked)
        .map(|cluster| cluster.cluster.as_str())
}

fn check(rule: &str, authority: &str, path: &str, expected: Option<&str>) {
    let table = table();
    let (authority, path) = (authority.as_bytes(), path.as_bytes());
    let mut found = None;
    let seen = allocation_counter::measure(|| found = look_up(&table, authority, path));
    assert_eq!(found, expected, "{rule}");
    assert_eq!(seen.count_total, 0, "{rule}");
}

#[test]
fn a_lookup_allocates_nothing() {
    let get = "/shop.v1.Orders/Get";
    check("by name", "orders:80", get, Some("orders"));
    check("in upper case", "ORDERS.Mesh", get, Some("orders"));
    check("by gRPC service", "localhost", get, Some("orders"));
    check("unknown", "orderz", get, None);
    check("refused", "orders", "/../Get", None);
}

#[test]
fn a_rate_limit_allocates_only_for_the_place_of_a_key() {
    for algorithm in [
        RateAlgorithm::TokenBucket,
        RateAlgorithm::LeakyBucket,
        RateAlgorithm::SlidingWindow,
        RateAlgorithm::FixedWindow,
    ] {
        let rules = RateLimit {
            algorithm,
            key: LimitKey::Method,
            keys_max: Some(1),
            ..RateLimit::new("orders", 100)
        };
        let mut table = KeyTable::new(&rules, 7);
        // The first key has a place, the second shares the state of all others.
        table.take(b"/shop.v1.Orders/Get", &rules, Tick::ZERO, Duration::MAX);
        table.take(b"/shop.v1.Orders/Place", &rules, Tick::ZERO, Duration::MAX);
        let seen = allocation_counter::measure(|| {
            for ms in 0..2_000 {
                let now = Tick::ZERO + Duration::from_millis(ms);
                table.take(b"/shop.v1.Orders/Get", &rules, now, Duration::MAX);
            }
        });
        assert_eq!(seen.count_total, 0, "{algorithm:?}");
    }
}

#[test]
fn the_counter_sees_an_allocation() {
    let seen = allocation_counter::measure(|| drop(std::hint::black_box(vec![1_u8; 64])));
    assert_eq!(seen.count_total, 1);
}
