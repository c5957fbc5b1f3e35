//! Services find each other by announcing themselves: who announces is told to others, who stops,
//! or falls silent, is no longer; a control plane that restarts forgets nobody.

use std::time::Duration;

use outrider_proto::Kind;
use outrider_proto::envoy::core::address::Address;
use outrider_proto::envoy::discovery::DeltaDiscoveryResponse;
use outrider_proto::envoy::endpoint::ClusterLoadAssignment;
use outrider_proto::envoy::endpoint::lb_endpoint::HostIdentifier;
use outrider_proto::unpack;
use outrider_proto::v1;
use outrider_proto::v1::operator_client::OperatorClient;
use outrider_tests::ControlPlane;
use outrider_tests::member::{Ads, Member, serving};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};
use tonic::Code;
use tonic::transport::Channel;

struct Bed {
    data: TempDir,
    control_plane: ControlPlane,
    operator: OperatorClient<Channel>,
}

impl Bed {
    async fn start() -> Bed {
        Bed::start_on(tempfile::tempdir().expect("a temporary folder")).await
    }

    async fn start_on(data: TempDir) -> Bed {
        let options = ControlPlane::options(data.path());
        let control_plane = ControlPlane::start(options).await.expect("it starts");
        let operator = control_plane.operator().await;
        Bed {
            data,
            control_plane,
            operator,
        }
    }

    async fn join(&mut self, service: &str) -> Member {
        let address = self.control_plane.addresses().listen;
        Member::join(address, &mut self.operator, service).await
    }

    async fn status(&mut self) -> serde_json::Value {
        let status = self.operator.status(v1::StatusRequest {}).await;
        let json = status.expect("a status").into_inner().json;
        serde_json::from_str(&json).expect("JSON")
    }
}

/// The ports of the endpoints of the one service in a response; none if it is not there.
fn ports(response: &DeltaDiscoveryResponse) -> Vec<u32> {
    let Some(resource) = response.resources.first() else {
        return Vec::new();
    };
    let body = resource.resource.as_ref().expect("a body");
    let assignment: ClusterLoadAssignment = unpack(body).expect("an assignment");
    let endpoints = assignment.endpoints.iter().flat_map(|l| &l.lb_endpoints);
    let ports = endpoints.filter_map(|endpoint| match endpoint.host_identifier.as_ref()? {
        HostIdentifier::Endpoint(endpoint) => match endpoint.address.as_ref()?.address.as_ref()? {
            Address::SocketAddress(socket) => match socket.port_specifier.as_ref()? {
                outrider_proto::envoy::core::socket_address::PortSpecifier::PortValue(port) => {
                    Some(*port)
                }
                _ => None,
            },
            _ => None,
        },
        HostIdentifier::EndpointName(_) => None,
    });
    ports.collect()
}

/// A subscription to the endpoints of `service`, past its first answer.
async fn watching(member: &Member, service: &str) -> (Ads, DeltaDiscoveryResponse) {
    let mut ads = member.ads(None).await;
    ads.subscribe(Kind::Endpoints, &[service]).await;
    let first = ads.next().await;
    (ads, first)
}

/// The same, past the answers before there are so many endpoints: an announcement is answered
/// when it is written down, and told within some 20 ms.
async fn watching_all(
    member: &Member,
    service: &str,
    count: usize,
) -> (Ads, DeltaDiscoveryResponse) {
    let (mut ads, mut told) = watching(member, service).await;
    while ports(&told).len() < count {
        told = ads.next().await;
    }
    (ads, told)
}

fn unready(instance: &str, address: &str) -> v1::Announcement {
    v1::Announcement {
        serving: false,
        ..serving(instance, address)
    }
}

fn withdrawn(instance: &str, address: &str) -> v1::Announcement {
    v1::Announcement {
        withdraw: true,
        ..serving(instance, address)
    }
}

#[tokio::test]
async fn who_announces_is_told_to_others_until_it_says_otherwise() {
    let mut bed = Bed::start().await;
    let (caller, stock) = (bed.join("caller").await, bed.join("stock").await);
    let (mut ads, first) = watching(&caller, "stock").await;
    assert_eq!(first.removed_resources, ["stock"]);

    let mut one = stock.announcements().await;
    let lease = one.say(serving("one", "127.0.0.2:1001")).await;
    assert_eq!(lease.expect("a lease").duration_ms, 5_000);
    assert_eq!(ports(&ads.next().await), [1001]);

    let mut two = stock.announcements().await;
    two.say(serving("two", "127.0.0.3:1002"))
        .await
        .expect("a lease");
    assert_eq!(ports(&ads.next().await), [1001, 1002]);

    one.say(unready("one", "127.0.0.2:1001"))
        .await
        .expect("a lease");
    assert_eq!(ports(&ads.next().await), [1002]);

    let lease = two.say(withdrawn("two", "127.0.0.3:1002")).await;
    assert!(lease.expect("a lease").withdrawn);
    assert_eq!(ports(&ads.next().await), [0; 0]);

    let events = bed.status().await;
    assert_eq!(events["services"][0]["kind"], "undocumented");
    assert_eq!(events["services"][0]["endpoints"], serde_json::json!([]));
}

#[tokio::test]
async fn an_address_nobody_could_connect_to_is_refused() {
    let mut bed = Bed::start().await;
    let stock = bed.join("stock").await;
    for address in ["0.0.0.0:1", "127.0.0.2:0", "stock:1", "224.0.0.1:1"] {
        let refused = stock
            .announcements()
            .await
            .say(serving("one", address))
            .await;
        let code = refused.err().map(|status| status.code());
        assert_eq!(code, Some(Code::InvalidArgument), "{address}");
    }
}

#[tokio::test]
async fn a_broken_stream_is_no_death_and_silence_is_within_six_seconds() {
    let mut bed = Bed::start().await;
    let (caller, stock) = (bed.join("caller").await, bed.join("stock").await);
    // Somebody listens where the silent one was: it is not surely dead.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let mut silent = stock.announcements().await;
    let said = serving("silent", &address.to_string());
    silent.say(said).await.expect("a lease");
    let fell_silent = Instant::now();
    // An announcement of another address would move an instance: each has its stream.
    let (mut one, mut two) = (stock.announcements().await, stock.announcements().await);
    let said = [
        serving("1", "127.0.0.2:1001"),
        serving("2", "127.0.0.3:1002"),
    ];
    one.say(said[0].clone()).await.expect("a lease");
    two.say(said[1].clone()).await.expect("a lease");
    drop(silent);
    let (mut ads, first) = watching_all(&caller, "stock", 3).await;
    assert_eq!(ports(&first), [u32::from(address.port()), 1001, 1002]);

    let told = loop {
        one.say(said[0].clone()).await.expect("a lease");
        two.say(said[1].clone()).await.expect("a lease");
        // As often as a sidecar does.
        if let Ok(told) = timeout(Duration::from_millis(1_600), ads.next()).await {
            break told;
        }
    };
    assert_eq!(ports(&told), [1001, 1002]);
    let silence = fell_silent.elapsed();
    assert!(silence >= Duration::from_secs(5), "{silence:?}");
    assert!(silence <= Duration::from_secs(6), "{silence:?}");
}

#[tokio::test]
async fn a_restart_forgets_nobody_and_renumbers_nothing() {
    let mut bed = Bed::start().await;
    let (caller, stock) = (bed.join("caller").await, bed.join("stock").await);
    let mut one = stock.announcements().await;
    one.say(serving("one", "127.0.0.2:1001"))
        .await
        .expect("a lease");
    let (ads, before) = watching_all(&caller, "stock", 1).await;
    drop((ads, one, caller, stock));
    let Bed {
        data,
        control_plane,
        operator,
    } = bed;
    drop(operator);
    control_plane.stop().await;

    let mut bed = Bed::start_on(data).await;
    let caller = bed.join("caller").await;
    let (_ads, after) = watching(&caller, "stock").await;
    assert_eq!(after.resources, before.resources);
    let status = bed.status().await;
    assert!(status["grace_seconds"].as_u64() > Some(25), "{status}");
    assert!(bed.data.path().exists());
}

#[tokio::test]
async fn the_status_says_who_is_connected_and_what_it_uses() {
    let mut bed = Bed::start().await;
    let caller = bed.join("caller").await;
    let (mut ads, _) = watching(&caller, "stock").await;
    ads.subscribe(Kind::Secret, &["trust-bundle"]).await;
    ads.next().await;
    // The answer to this says that the acknowledgement before it was read.
    ads.subscribe(Kind::Routes, &["nothing"]).await;
    ads.next().await;
    let status = bed.status().await;
    let sidecar = &status["sidecars"][0];
    assert_eq!(sidecar["service"], "caller");
    assert_eq!(sidecar["resources"], 1);
    assert_eq!(sidecar["rejected"], serde_json::json!([]));
    assert!(
        sidecar["certificate_seconds"].as_i64() > Some(86_000),
        "{status}"
    );
    assert_eq!(sidecar["applied_version"], status["version"]);
}
