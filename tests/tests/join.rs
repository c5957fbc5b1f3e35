//! A token is enough to become somebody, and nothing else is: whoever joins is who the token was
//! issued for, whoever renews is who its certificate names, and a rollover shuts nobody out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use outrider_control_plane::authority::{Authority, Bundle};
use outrider_control_plane::tokens::Tokens;
use outrider_control_plane::{MemberId, Store, clock};
use outrider_proto::token::Token;
use outrider_proto::v1;
use outrider_proto::v1::RotationStep;
use outrider_proto::v1::operator_client::OperatorClient;
use outrider_tests::ControlPlane;
use outrider_tests::joiner::{
    Identity, believing, bundle, channel, dial, join, join_over, renew_over, request,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tonic::transport::Channel;
use tonic::{Code, Status};

const ORDERS: &str = "spiffe://outrider.local/ns/default/svc/orders";

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

    async fn restart(self) -> Bed {
        let Bed {
            data,
            control_plane,
            operator,
        } = self;
        drop(operator);
        control_plane.stop().await;
        Bed::start_on(data).await
    }

    fn address(&self) -> SocketAddr {
        self.control_plane.addresses().listen
    }

    /// A token for the service; with its id.
    async fn token(&mut self, service: &str) -> (Token, String) {
        let request = v1::CreateTokenRequest {
            namespace: String::new(),
            service: service.to_owned(),
            life_seconds: 60,
        };
        let created = self.operator.create_token(request).await.expect("a token");
        let created = created.into_inner();
        let id = created.details.expect("details").id;
        (created.token.parse().expect("a token's text"), id)
    }

    async fn rotate(&mut self, step: RotationStep) -> Result<usize, Status> {
        let request = v1::RotateRootRequest {
            step: step.into(),
            force: step == RotationStep::Retire,
        };
        let answer = self.operator.rotate_root(request).await?;
        Ok(answer.into_inner().roots.len())
    }

    /// A channel that shows the identity.
    async fn channel_of(&self, identity: &Identity) -> Channel {
        let channel = channel(self.address(), identity.tls()).await;
        channel.expect("the identity is believed")
    }

    /// A channel that shows nothing and believes what is believed at present.
    async fn anonymous(&self) -> Channel {
        let roots = bundle(self.address(), &[]).await.expect("the bundle");
        let channel = channel(self.address(), believing(&roots)).await;
        channel.expect("the control plane is believed")
    }
}

fn code<T>(outcome: Result<T, Status>) -> Code {
    outcome.err().map_or(Code::Ok, |status| status.code())
}

#[tokio::test]
async fn who_joins_and_renews_is_who_the_token_was_issued_for_whatever_it_asks_for() {
    let mut bed = Bed::start().await;
    let (token, _) = bed.token("orders").await;
    let roots = bundle(bed.address(), &token.bundle_sha256).await;
    let roots = roots.expect("the bundle of the token");
    let hashed = Bundle::new(roots.clone()).expect("good roots");
    assert_eq!(hashed.sha256(), token.bundle_sha256);

    let key = KeyPair::generate().expect("a key");
    let asked = request(&key, "payments");
    let issued = join_over(bed.anonymous().await, token.to_string(), asked).await;
    let joined = outrider_tests::joiner::identity(key, issued.expect("it joins"));
    assert_eq!(joined.name(), ORDERS);
    assert_eq!(joined.roots, roots);

    let renewed = renew_over(bed.channel_of(&joined).await, "payments").await;
    let renewed = renewed.expect("it renews");
    assert_eq!(renewed.name(), ORDERS);
    let again = renew_over(bed.channel_of(&renewed).await, "operator").await;
    assert_eq!(again.expect("it renews").name(), ORDERS);
}

#[tokio::test]
async fn what_is_no_token_or_no_request_joins_nobody() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let expired = expired_token(&data).await;
    let mut bed = Bed::start_on(data).await;
    let (good, _) = bed.token("orders").await;
    let (revoked, id) = bed.token("orders").await;
    let revoke = v1::RevokeTokenRequest { id };
    bed.operator
        .revoke_token(revoke)
        .await
        .expect("it is there");
    let mut wrong = good.clone();
    wrong.secret[0] ^= 1;
    let renamed = Token {
        service: "payments".to_owned(),
        ..good.clone()
    };

    let key = KeyPair::generate().expect("a key");
    let asked = request(&key, "orders");
    let mut forged = asked.clone();
    // The last octets are the signature's.
    *forged.last_mut().expect("octets") ^= 1;
    let (unknown, malformed) = (Code::Unauthenticated, Code::InvalidArgument);
    let cases = [
        ("not a token".to_owned(), &asked, unknown),
        (wrong.to_string(), &asked, unknown),
        (renamed.to_string(), &asked, unknown),
        (expired.to_string(), &asked, unknown),
        (revoked.to_string(), &asked, unknown),
        (good.to_string(), &forged, malformed),
        (good.to_string(), &Vec::new(), malformed),
        (good.to_string(), &asked, Code::Ok),
    ];
    let channel = bed.anonymous().await;
    for (token, asked, expected) in cases {
        let outcome = join_over(channel.clone(), token.clone(), asked.clone()).await;
        assert_eq!(code(outcome), expected, "{token}");
    }

    let listed = bed.operator.list_tokens(v1::ListTokensRequest {}).await;
    let listed = listed.expect("a list").into_inner().tokens;
    let joins: Vec<u64> = listed.iter().map(|token| token.joins).collect();
    assert_eq!(joins.iter().sum::<u64>(), 1, "only the last one was a join");
}

/// A token whose day is over, made before the control plane starts.
async fn expired_token(data: &TempDir) -> Token {
    let store = Store::open(data.path()).expect("a store");
    let yesterday = clock::unix_seconds() - 86_400;
    let life = Duration::from_secs(60);
    let authority = Authority::open(&store, "outrider.local", life, yesterday).expect("a root");
    let tokens = Tokens::open(&store, "outrider.local", authority.bundle());
    let request = v1::CreateTokenRequest {
        namespace: String::new(),
        service: "orders".to_owned(),
        life_seconds: 60,
    };
    let created = tokens.create(request, yesterday).await.expect("a token");
    created.token.parse().expect("a token's text")
}

#[tokio::test]
async fn operators_and_sidecars_do_only_what_is_theirs() {
    let mut bed = Bed::start().await;
    let (token, _) = bed.token("orders").await;
    let orders = join(bed.address(), &token).await.expect("it joins");
    let sidecar = bed.channel_of(&orders).await;
    let anonymous = bed.anonymous().await;
    for (channel, expected) in [
        (anonymous.clone(), Code::Unauthenticated),
        (sidecar, Code::PermissionDenied),
    ] {
        let mut operator = OperatorClient::new(channel);
        let create = v1::CreateTokenRequest {
            service: "payments".to_owned(),
            ..v1::CreateTokenRequest::default()
        };
        assert_eq!(code(operator.create_token(create).await), expected);
        let list = v1::ListTokensRequest {};
        assert_eq!(code(operator.list_tokens(list).await), expected);
        let rotate = v1::RotateRootRequest {
            step: RotationStep::Add.into(),
            force: false,
        };
        assert_eq!(code(operator.rotate_root(rotate).await), expected);
    }
    let renewed = renew_over(anonymous, "orders").await;
    assert_eq!(code(renewed), Code::Unauthenticated);
}

#[tokio::test]
async fn a_rollover_shuts_out_nobody_until_the_old_root_retires() {
    let mut bed = Bed::start().await;
    let (before, _) = bed.token("orders").await;
    let old = join(bed.address(), &before).await.expect("it joins");
    let mut since = Vec::new();
    for step in [RotationStep::Add, RotationStep::Promote] {
        bed.rotate(step).await.expect("the next step");
        // A token of before, and whoever joined before and has heard of nothing.
        let joined = join(bed.address(), &before).await;
        since.push(joined.expect("its root is believed"));
        let renewed = renew_over(bed.channel_of(&old).await, "orders").await;
        since.push(renewed.expect("its root is believed"));
        // Whoever was issued something since, under the roots of then and of now.
        let now = &since.last().expect("one").roots;
        assert_eq!(now.len(), 2);
        for identity in &since {
            for roots in [&old.roots, &identity.roots, now] {
                let believed = channel(bed.address(), identity.tls_under(roots)).await;
                assert!(believed.is_ok(), "after {step:?}");
            }
        }
    }
    let (during, _) = bed.token("orders").await;
    let signed_by_the_new = since.pop().expect("one");
    let mut open = dial(bed.address(), old.tls()).await.expect("a connection");
    let mut settings = [0; 9];
    let told = open.read_exact(&mut settings).await;
    told.expect("its root is believed");
    assert_eq!(bed.rotate(RotationStep::Retire).await.ok(), Some(1));

    let mut rest = Vec::new();
    // Ended by the control plane; how, is TLS's business.
    let _ = open.read_to_end(&mut rest).await;
    let gone = join(bed.address(), &before).await;
    assert_eq!(code(gone), Code::NotFound);
    let joined = join(bed.address(), &during)
        .await
        .expect("its root is believed");
    assert_eq!(joined.roots.len(), 1);
    let renewed = renew_over(bed.channel_of(&signed_by_the_new).await, "orders").await;
    assert_eq!(renewed.expect("it renews").roots, joined.roots);
    let refused = ends_at_once(&bed, &old.tls_under(&joined.roots)).await;
    assert!(refused, "the old root opens no connection any more");
}

/// Does the control plane end a connection that shows this? In TLS 1.3 a client learns what the
/// server thinks of its certificate only after its own handshake.
async fn ends_at_once(bed: &Bed, tls: &Arc<rustls::ClientConfig>) -> bool {
    match dial(bed.address(), Arc::clone(tls)).await {
        Err(_) => true,
        Ok(mut stream) => {
            let mut settings = [0; 9];
            stream.read_exact(&mut settings).await.is_err()
        }
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_nobodys() {
    let mut bed = Bed::start().await;
    let (token, _) = bed.token("orders").await;
    let orders = join(bed.address(), &token).await.expect("it joins");
    assert!(!ends_at_once(&bed, &orders.tls()).await);

    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let impostor = CertifiedIssuer::self_signed(params, key).expect("a root");
    for name in [ORDERS, "spiffe://outrider.local/operator"] {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(name.try_into().expect("ASCII"))];
        let forged = params.signed_by(&key, &impostor).expect("a certificate");
        let forged = Identity {
            key,
            chain: vec![forged.into()],
            roots: orders.roots.clone(),
        };
        assert!(ends_at_once(&bed, &forged.tls()).await, "{name}");
    }
}

#[tokio::test]
async fn a_sidecar_cannot_stand_in_for_the_control_plane() {
    let mut bed = Bed::start().await;
    let (token, _) = bed.token("orders").await;
    let orders = join(bed.address(), &token).await.expect("it joins");
    let key = PrivateKeyDer::Pkcs8(orders.key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3 is there")
        .with_no_client_auth()
        .with_single_cert(orders.chain.clone(), key);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let address = listener.local_addr().expect("an address");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config.expect("they fit")));
    let served = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.expect("a connection");
        acceptor.accept(socket).await.map(drop)
    });
    let refused = dial(address, believing(&orders.roots)).await;
    let reason = format!("{:?}", refused.err());
    assert!(
        reason.contains("nobody who may be at this end") || reason.contains(ORDERS),
        "{reason}"
    );
    assert!(served.await.expect("no panic").is_err());
}

#[tokio::test]
async fn a_connection_ends_with_the_certificate_that_opened_it() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let key = KeyPair::generate().expect("a key");
    let now = clock::unix_seconds();
    let issued = {
        let store = Store::open(data.path()).expect("a store");
        let life = Duration::from_secs(3);
        let authority = Authority::open(&store, "outrider.local", life, now).expect("a root");
        let member = MemberId::new([1; 8]);
        let issued = authority.issue_workload("default", "orders", member, &key, now);
        let roots = authority.bundle().borrow().roots().to_vec();
        (issued.expect("a certificate"), roots)
    };
    let orders = Identity {
        key,
        chain: issued.0.chain,
        roots: issued.1,
    };
    let bed = Bed::start_on(data).await;
    let connected = dial(bed.address(), orders.tls()).await;
    let mut stream = connected.expect("the certificate is still good");
    let mut octets = Vec::new();
    let end = stream.read_to_end(&mut octets).await;
    assert!(!octets.is_empty(), "it was let in: {end:?}");
    assert!(clock::unix_seconds() > issued.0.expires_unix);
    assert!(ends_at_once(&bed, &orders.tls()).await);
}

#[tokio::test]
async fn a_client_that_says_nothing_is_let_go() {
    let bed = Bed::start().await;
    let connected = TcpStream::connect(bed.address()).await;
    let mut silent = connected.expect("a connection");
    assert_eq!(silent.read(&mut [0]).await.ok(), Some(0));
}

#[tokio::test]
async fn a_restart_keeps_the_authority_its_rollover_and_its_tokens() {
    let mut bed = Bed::start().await;
    let (token, _) = bed.token("orders").await;
    let orders = join(bed.address(), &token).await.expect("it joins");
    for step in [RotationStep::Add, RotationStep::Promote] {
        bed.rotate(step).await.expect("the next step");
        bed = bed.restart().await;
        join(bed.address(), &token).await.expect("the token counts");
        let renewed = renew_over(bed.channel_of(&orders).await, "orders").await;
        assert_eq!(renewed.expect("it renews").roots.len(), 2);
    }
    bed.rotate(RotationStep::Retire)
        .await
        .expect("the last step");
    let mut bed = bed.restart().await;
    assert_eq!(code(join(bed.address(), &token).await), Code::NotFound);
    let listed = bed.operator.list_tokens(v1::ListTokensRequest {}).await;
    let listed = listed.expect("a list").into_inner().tokens;
    assert_eq!(listed.first().map(|token| token.joins), Some(3));
    let (token, _) = bed.token("orders").await;
    join(bed.address(), &token).await.expect("it joins");
}
