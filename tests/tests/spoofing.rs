//! No sidecar obtains what is another's: not by its node id, not by a name, not by a token, not by
//! announcing, renewing or commanding. For all ordered pairs of five identities.

use outrider_proto::envoy::core::Node;
use outrider_proto::token::Token;
use outrider_proto::v1::operator_client::OperatorClient;
use outrider_proto::{Kind, TRUST_BUNDLE_SECRET, v1};
use outrider_tests::ControlPlane;
use outrider_tests::joiner::{join, join_over, renew_over, request};
use outrider_tests::member::{Announcements, Member, serving};
use rcgen::KeyPair;
use tonic::transport::Channel;
use tonic::{Code, Status};

const SERVICES: [&str; 5] = ["cart", "orders", "pay", "stock", "web"];

struct Mesh {
    control_plane: ControlPlane,
    operator: OperatorClient<Channel>,
    members: Vec<Member>,
    _data: tempfile::TempDir,
}

impl Mesh {
    async fn start() -> Mesh {
        let data = tempfile::tempdir().expect("a temporary folder");
        let options = ControlPlane::options(data.path());
        let control_plane = ControlPlane::start(options).await.expect("it starts");
        let mut operator = control_plane.operator().await;
        let address = control_plane.addresses().listen;
        let mut members = Vec::new();
        for service in SERVICES {
            members.push(Member::join(address, &mut operator, service).await);
        }
        Mesh {
            control_plane,
            operator,
            members,
            _data: data,
        }
    }

    /// Everybody beside everybody else.
    fn pairs(&self) -> impl Iterator<Item = (&Member, &Member)> {
        let others = |one: &Member| {
            let other = |member: &&Member| member.token.service != service_of(one);
            self.members.iter().filter(other).collect::<Vec<_>>()
        };
        let pairs = self.members.iter().map(move |one| (one, others(one)));
        let pairs: Vec<_> = pairs.collect();
        assert_eq!(
            pairs.iter().map(|(_, others)| others.len()).sum::<usize>(),
            20
        );
        pairs
            .into_iter()
            .flat_map(|(one, others)| others.into_iter().map(move |other| (one, other)))
    }

    /// Every member announces its address; gone with what is returned.
    async fn announce(&self) -> Vec<Announcements> {
        let mut leases = Vec::new();
        for member in &self.members {
            let mut announcements = member.announcements().await;
            let said = serving("run", &address(&service_of(member)));
            announcements.say(said).await.expect("a lease");
            leases.push(announcements);
        }
        leases
    }

    /// The endpoints of every service, as the status has them.
    async fn endpoints(&mut self) -> serde_json::Value {
        let status = self.operator.status(v1::StatusRequest {}).await;
        let json = status.expect("a status").into_inner().json;
        let mut status: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let mut services = status["services"].take();
        let services = services.as_array_mut().expect("a list");
        let address = |endpoint: &serde_json::Value| endpoint["address"].clone();
        let named = services.iter().map(|service| {
            let endpoints = service["endpoints"].as_array().expect("a list");
            let addresses: Vec<_> = endpoints.iter().map(address).collect();
            serde_json::json!([service["name"], addresses])
        });
        named.collect()
    }
}

fn service_of(member: &Member) -> String {
    member.token.service.clone()
}

fn address(service: &str) -> String {
    let number = SERVICES.iter().position(|known| *known == service);
    format!("127.0.0.2:{}", 1_000 + number.unwrap_or(0))
}

fn name_of(service: &str) -> String {
    format!("spiffe://outrider.local/ns/default/svc/{service}")
}

fn code<T>(outcome: Result<T, Status>) -> Code {
    outcome.err().map_or(Code::Ok, |status| status.code())
}

/// What a member is told of secrets and listeners when it says that it is `victim`, and asks for
/// everything by everything that could be a name of it.
async fn told(member: &Member, victim: &str) -> Vec<String> {
    let node = Node {
        id: format!("default/{victim}/run"),
        cluster: victim.to_owned(),
        ..Node::default()
    };
    let spiffe = name_of(victim);
    let (qualified, own) = (format!("default/{victim}"), format!("identity/{victim}"));
    let inbound = outrider_proto::inbound_listener("default", victim);
    let names = [victim, &spiffe, &qualified, &own, &inbound, "identity", "*"];
    let mut ads = member.ads(Some(node)).await;
    let mut told = Vec::new();
    ads.subscribe(Kind::Secret, &names).await;
    // Asked for last and there, so that its answer ends the wait.
    ads.subscribe(Kind::Secret, &[TRUST_BUNDLE_SECRET]).await;
    while told.last().is_none_or(|name| name != TRUST_BUNDLE_SECRET) {
        told.extend(ads.next().await.resources.into_iter().map(|r| r.name));
    }
    ads.subscribe(Kind::Listener, &[]).await;
    told.extend(ads.next().await.resources.into_iter().map(|r| r.name));
    ads.subscribe(Kind::Listener, &names).await;
    told.extend(ads.next().await.resources.into_iter().map(|r| r.name));
    told
}

#[tokio::test]
async fn nothing_of_another_is_told_by_node_id_or_by_name() {
    let mesh = Mesh::start().await;
    // So that every service exists, and has a listener.
    let _leases = mesh.announce().await;
    for (one, other) in mesh.pairs() {
        let told = told(one, &service_of(other)).await;
        assert_eq!(told, [TRUST_BUNDLE_SECRET], "{}", service_of(one));
    }
}

#[tokio::test]
async fn nobody_is_announced_moved_or_withdrawn_by_another() {
    let mut mesh = Mesh::start().await;
    let _leases = mesh.announce().await;
    let before = mesh.endpoints().await;
    for (one, other) in mesh.pairs() {
        let theirs = address(&service_of(other));
        for (is_serving, withdraw) in [(false, false), (true, true)] {
            let said = v1::Announcement {
                serving: is_serving,
                withdraw,
                ..serving("run", &theirs)
            };
            let mut announcements = one.announcements().await;
            announcements.say(said).await.expect("an answer");
        }
    }
    assert_eq!(mesh.endpoints().await, before);

    // At the address of another it is announced as itself, and the other stays.
    let (thief, victim) = (&mesh.members[0], &mesh.members[1]);
    let theirs = address(&service_of(victim));
    let mut announcements = thief.announcements().await;
    announcements
        .say(serving("thief", &theirs))
        .await
        .expect("a lease");
    let after = mesh.endpoints().await;
    assert_eq!(after[0][1], serde_json::json!([address("cart"), theirs]));
    assert_eq!(after[1], before[1]);
}

/// Two members of one service: what one announces, the other neither ends nor takes over, however
/// often it tries.
#[tokio::test]
async fn nobody_ends_or_takes_over_the_address_of_a_sibling() {
    let mut mesh = Mesh::start().await;
    let address = mesh.control_plane.addresses().listen;
    let sibling = Member::join(address, &mut mesh.operator, "orders").await;
    let victim = &mesh.members[1];
    assert_eq!(service_of(victim), "orders");
    let theirs = "127.0.0.1:1001";
    let mut own = victim.announcements().await;
    own.say(serving("run", theirs)).await.expect("a lease");
    let before = mesh.endpoints().await;
    for instance in ["run", "sibling"] {
        let said = |serving_now, withdraw| v1::Announcement {
            serving: serving_now,
            withdraw,
            ..serving(instance, theirs)
        };
        let attempts = [
            (said(true, false), Code::FailedPrecondition),
            (said(false, false), Code::FailedPrecondition),
            (said(true, true), Code::Ok),
        ];
        for (attempt, expected) in attempts {
            let mut announcements = sibling.announcements().await;
            let outcome = announcements.say(attempt.clone()).await;
            assert_eq!(code(outcome), expected, "{attempt:?}");
        }
    }
    let victim = &mesh.members[1];
    let mut again = victim.announcements().await;
    again.say(serving("run", theirs)).await.expect("its lease");
    assert_eq!(mesh.endpoints().await, before);
}

#[tokio::test]
async fn nobody_becomes_another_by_a_token_or_by_renewing() {
    let mesh = Mesh::start().await;
    let address = mesh.control_plane.addresses().listen;
    for (one, other) in mesh.pairs() {
        let (own, victim) = (name_of(&service_of(one)), service_of(other));
        // Its own token again, over its own connection and over the other's, with a request for
        // the other's name: the token decides.
        for channel in [&one.channel, &other.channel] {
            let key = KeyPair::generate().expect("a key");
            let asked = request(&key, &victim);
            let issued = join_over(channel.clone(), one.token.to_string(), asked).await;
            let issued = outrider_tests::joiner::identity(key, issued.expect("it joins again"));
            assert_eq!(issued.name(), own);
        }
        // Its token with the other's name, and the other's with its own secret.
        let renamed = Token {
            service: victim.clone(),
            ..one.token.clone()
        };
        let mixed = Token {
            secret: one.token.secret,
            ..other.token.clone()
        };
        for forged in [renamed, mixed] {
            let outcome = join(address, &forged).await;
            assert_eq!(code(outcome), Code::Unauthenticated);
        }
        let renewed = renew_over(one.channel.clone(), &victim).await;
        assert_eq!(renewed.expect("it renews").name(), own);
    }
}

#[tokio::test]
async fn no_sidecar_commands() {
    let mesh = Mesh::start().await;
    for (one, other) in mesh.pairs() {
        let mut operator = OperatorClient::new(one.channel.clone());
        let token = v1::CreateTokenRequest {
            namespace: String::new(),
            service: service_of(other),
            life_seconds: 60,
        };
        let revoked = v1::RevokeTokenRequest { id: String::new() };
        let codes = [
            code(operator.create_token(token).await),
            code(operator.list_tokens(v1::ListTokensRequest {}).await),
            code(operator.revoke_token(revoked).await),
            code(operator.apply(v1::ApplyRequest::default()).await),
            code(operator.delete(v1::DeleteRequest::default()).await),
            code(operator.get(v1::GetRequest::default()).await),
            code(operator.diff(v1::DiffRequest::default()).await),
            code(operator.history(v1::HistoryRequest::default()).await),
            code(operator.rollback(v1::RollbackRequest::default()).await),
            code(operator.rotate_root(v1::RotateRootRequest::default()).await),
            code(operator.events(v1::EventsRequest::default()).await),
            code(operator.status(v1::StatusRequest {}).await),
        ];
        assert_eq!(codes, [Code::PermissionDenied; 12]);
    }
}
