//! The promise: an address is its member's. Where the Mesh wants proof, one that is not proven is no
//! endpoint; and who has shown its own certificate at an address is the successor of whoever had it. The
//! control plane connects to nothing else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use outrider_proto::v1;
use outrider_proto::v1::operator_client::OperatorClient;
use outrider_tests::ControlPlane;
use outrider_tests::joiner::Identity;
use outrider_tests::member::{Announcements, Member, serving};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tonic::Code;
use tonic::transport::Channel;

/// Longest any of this may take; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(30);

struct Bed {
    control_plane: ControlPlane,
    operator: OperatorClient<Channel>,
    _data: tempfile::TempDir,
}

impl Bed {
    async fn start() -> Bed {
        let data = tempfile::tempdir().expect("a temporary folder");
        let options = ControlPlane::options(data.path());
        let control_plane = ControlPlane::start(options).await.expect("it starts");
        let operator = control_plane.operator().await;
        Bed {
            control_plane,
            operator,
            _data: data,
        }
    }

    async fn join(&mut self, service: &str) -> Member {
        let address = self.control_plane.addresses().listen;
        Member::join(address, &mut self.operator, service).await
    }

    async fn verify(&mut self, word: &str) {
        let text = format!(
            "apiVersion: outrider.dev/v1\nkind: Mesh\nmetadata: {{ name: mesh }}\n\
             spec: {{ registration: {{ verify: {word} }} }}\n"
        );
        let file = v1::DocumentFile {
            name: "mesh.yaml".to_owned(),
            text,
        };
        let apply = v1::ApplyRequest {
            files: vec![file],
            ..v1::ApplyRequest::default()
        };
        self.operator.apply(apply).await.expect("it is right");
    }

    /// The instances of the one service that are endpoints.
    async fn instances(&mut self) -> Vec<String> {
        let status = self.operator.status(v1::StatusRequest {}).await;
        let json = status.expect("a status").into_inner().json;
        let status: Value = serde_json::from_str(&json).expect("JSON");
        let endpoints = status["services"][0]["endpoints"].as_array().cloned();
        let endpoints = endpoints.unwrap_or_default().into_iter();
        endpoints
            .map(|it| it["instance"].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

/// Shakes hands with whoever comes, as a member with this identity, at an IP from which nothing is
/// announced here.
async fn listen(identity: &Identity) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.2:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (address, tokio::spawn(accept(listener, acceptor(identity))))
}

fn acceptor(identity: &Identity) -> TlsAcceptor {
    let key = PrivateKeyDer::Pkcs8(identity.key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3 is there")
        .with_no_client_auth()
        .with_single_cert(identity.chain.clone(), key);
    let mut config = config.expect("the key fits");
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor) {
    while let Ok((socket, _)) = listener.accept().await {
        // Whoever does not like what it sees, goes.
        let _ = acceptor.accept(socket).await;
    }
}

async fn announced(member: &Member, instance: &str, address: &str) -> (Announcements, Code) {
    let mut announcements = member.announcements().await;
    let said = announcements.say(serving(instance, address));
    let said = timeout(PATIENCE, said).await.expect("an answer");
    let code = said.err().map_or(Code::Ok, |status| status.code());
    (announcements, code)
}

#[tokio::test]
async fn where_the_mesh_wants_proof_only_what_is_proven_is_an_endpoint() {
    let mut bed = Bed::start().await;
    let (orders, other) = (bed.join("orders").await, bed.join("other").await);
    let sibling = bed.join("orders").await;
    let (own, _own) = listen(&orders.identity).await;
    let (others, _others) = listen(&other.identity).await;
    let (siblings, _siblings) = listen(&sibling.identity).await;
    let silent = TcpListener::bind("127.0.0.2:0").await.expect("a port");
    let silent = silent.local_addr().expect("an address");
    let cases = [
        ("it is there", own.to_string(), Code::Ok),
        (
            "its stream comes from there",
            "127.0.0.1:1".to_owned(),
            Code::Ok,
        ),
        (
            "nobody is there",
            silent.to_string(),
            Code::FailedPrecondition,
        ),
        (
            "another service is",
            others.to_string(),
            Code::FailedPrecondition,
        ),
        (
            "a sibling is",
            siblings.to_string(),
            Code::FailedPrecondition,
        ),
    ];
    for (word, wants_proof) in [("warn", false), ("require", true)] {
        bed.verify(word).await;
        for (rule, address, expected) in &cases {
            // Others each their own, so that none is over what it may have looked for.
            let another = bed.join("orders").await;
            let member = match *rule {
                "it is there" => &orders,
                _ => &another,
            };
            let instance = rule.replace(' ', "-");
            let expected = match wants_proof {
                true => *expected,
                false => Code::Ok,
            };
            let (mut stream, code) = announced(member, &instance, address).await;
            assert_eq!(code, expected, "{word}: {rule}");
            if code == Code::Ok {
                let over = v1::Announcement {
                    withdraw: true,
                    ..serving(&instance, address)
                };
                stream.say(over).await.expect("it withdraws");
            }
        }
    }
}

#[tokio::test]
async fn who_has_shown_its_certificate_at_an_address_succeeds_whoever_had_it() {
    let mut bed = Bed::start().await;
    let (first, second) = (bed.join("orders").await, bed.join("orders").await);
    let (address, listening) = listen(&first.identity).await;
    let (_stream, code) = announced(&first, "first", &address.to_string()).await;
    assert_eq!(code, Code::Ok);
    let (_thief, code) = announced(&second, "second", &address.to_string()).await;
    assert_eq!(code, Code::FailedPrecondition, "the first is there");
    assert_eq!(bed.instances().await, ["first"]);

    // The first is gone without a word, and its lease holds still; the second has its place.
    listening.abort();
    let _ = listening.await;
    let listener = TcpListener::bind(address).await.expect("it is free");
    let _second = tokio::spawn(accept(listener, acceptor(&second.identity)));
    let (_stream, code) = announced(&second, "second", &address.to_string()).await;
    assert_eq!(code, Code::Ok);
    assert_eq!(bed.instances().await, ["second"]);
}
