//! The promise: who a sidecar is, the control plane alone says. Tokens are good for what they are
//! made for, a folder is one identity's, and no renewal, nor a new root, costs a call.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use outrider_daemon::StartupError;
use outrider_proto::v1::operator_client::OperatorClient;
use outrider_proto::v1::{ListTokensRequest, RevokeTokenRequest, RotateRootRequest, RotationStep};
use outrider_tests::{Application, Caller, Mesh, Sidecar, call_orders, until_ready};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::Code;
use tonic::transport::Channel;

/// Longest any of this may take; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Life of a certificate where it does not matter. Seconds.
const DAY: u64 = 86_400;

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_for_one_sidecar_of_one_service() {
    let mesh = Mesh::start(DAY).await;
    let options = mesh.member("frontend", "frontend").await;
    let frontend = Sidecar::start(options.clone()).await.expect("it starts");
    until_ready(&frontend).await;
    let problem = |started: Result<Sidecar, StartupError>| {
        let problem = started.err().map(|error| error.to_string());
        problem.unwrap_or_default()
    };
    let second = problem(Sidecar::start(options).await);
    assert!(second.contains("another sidecar runs on it"), "{second}");
    frontend.stop();
    frontend.join().await.expect("a good end");
    let foreign = mesh.member_without_token("orders", "frontend");
    let foreign = problem(Sidecar::start(foreign).await);
    assert!(
        foreign.contains("belongs to spiffe://") && foreign.contains("service orders"),
        "{foreign}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_does_not_fit_is_said_and_another_one_taken() {
    let mesh = Mesh::start(DAY).await;
    let file = mesh.token_file("frontend");
    let frontend = Sidecar::start(mesh.member_without_token("frontend", "frontend"));
    let frontend = frontend.await.expect("it starts");
    let admin = frontend.admin();
    let until_said = |expected: &'static str| async move {
        let said = admin.until("/readyz", |status, page| {
            status == 503 && page.contains(expected)
        });
        timeout(PATIENCE, said)
            .await
            .unwrap_or_else(|_| panic!("never said: {expected}"));
    };
    until_said("(--token-file) cannot be read").await;
    fs::write(&file, "outrider1.frontend").expect("a file is written");
    until_said("the token is not complete").await;
    let (_, foreign) = mesh.token("orders").await;
    fs::write(&file, foreign).expect("a file is written");
    until_said("the token is for service default/orders").await;
    let (id, revoked) = mesh.token("frontend").await;
    let mut operator = mesh.operator().await;
    operator
        .revoke_token(RevokeTokenRequest { id })
        .await
        .expect("it is revoked");
    fs::write(&file, revoked).expect("a file is written");
    until_said("the control plane answered Unauthenticated").await;
    let (_, good) = mesh.token("frontend").await;
    fs::write(&file, good).expect("a file is written");
    until_ready(&frontend).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_that_was_made_anew_is_joined_with_a_new_token() {
    let mut mesh = Mesh::start(DAY).await;
    let application = Application::start("one").await;
    let orders = mesh.orders("orders", &application).await;
    let frontend = mesh.frontend().await;
    assert_eq!(call_orders(&frontend).await.grpc_status, "0");
    let before = changes([&orders, &frontend]).await;
    mesh.make_anew().await;
    for service in ["orders", "frontend"] {
        let (_, token) = mesh.token(service).await;
        fs::write(mesh.token_file(service), token).expect("a file is written");
    }
    until_changed([&orders, &frontend], before, 1.0).await;
    assert_eq!(call_orders(&frontend).await.grpc_status, "0");
}

/// Calls from `frontend` to orders at any time, until told to stop; a call that fails ends it.
struct Load {
    stop: watch::Sender<bool>,
    callers: Vec<JoinHandle<u64>>,
}

impl Load {
    fn start(frontend: &Sidecar) -> Load {
        let (stop, stopped) = watch::channel(false);
        let outbound = frontend.addresses().outbound;
        let callers = (0..4).map(|_| tokio::spawn(call_until(outbound, stopped.clone())));
        let callers = callers.collect();
        Load { stop, callers }
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        for caller in self.callers {
            assert!(caller.await.expect("no call was lost") > 0);
        }
    }
}

async fn call_until(outbound: SocketAddr, stopped: watch::Receiver<bool>) -> u64 {
    let caller = Caller::connect(outbound).await;
    let mut calls = 0;
    while !*stopped.borrow() {
        let reply = caller
            .call("localhost", "/shop.v1.Orders/Get", b"hello")
            .await;
        let reply = reply.expect("a response");
        assert_eq!(reply.grpc_status, "0", "after {calls} calls: {reply:?}");
        calls += 1;
    }
    calls
}

const IDENTITIES: &str = "outrider_identity_changes_total{result=\"accepted\"}";

/// Returns when the identity of each has changed `count` times more than `before`.
async fn until_changed(sidecars: [&Sidecar; 2], before: [f64; 2], count: f64) {
    for (sidecar, before) in sidecars.into_iter().zip(before) {
        let admin = sidecar.admin();
        let changed = async { while admin.metric_or_zero(IDENTITIES).await < before + count {} };
        timeout(PATIENCE, changed).await.expect("it changes");
    }
}

async fn changes(sidecars: [&Sidecar; 2]) -> [f64; 2] {
    let [first, second] = sidecars.map(Sidecar::admin);
    [
        first.metric_or_zero(IDENTITIES).await,
        second.metric_or_zero(IDENTITIES).await,
    ]
}

/// Takes the step; the last one as soon as nobody depends on the old root alone, and not by force.
async fn rotate(operator: &mut OperatorClient<Channel>, step: RotationStep) {
    if step == RotationStep::Retire {
        let tokens = operator.list_tokens(ListTokensRequest {}).await;
        for token in tokens.expect("a list").into_inner().tokens {
            let revoke = RevokeTokenRequest { id: token.id };
            operator.revoke_token(revoke).await.expect("it is revoked");
        }
    }
    let request = RotateRootRequest {
        step: step.into(),
        force: false,
    };
    while let Err(refused) = operator.rotate_root(request).await {
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert_eq!(step, RotationStep::Retire);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn renewals_and_a_new_root_under_load_lose_no_call() {
    // Renewed after 5 s: each step of the rollover meets certificates of the one before.
    let mesh = Mesh::start(10).await;
    let application = Application::start("one").await;
    let orders = mesh.orders("orders", &application).await;
    let frontend = mesh.frontend().await;
    assert_eq!(call_orders(&frontend).await.grpc_status, "0");
    let both = [&orders, &frontend];
    let load = Load::start(&frontend);
    let mut operator = mesh.operator().await;
    for step in [
        RotationStep::Add,
        RotationStep::Promote,
        RotationStep::Retire,
    ] {
        let before = changes(both).await;
        rotate(&mut operator, step).await;
        // The bundle at once, and a certificate under it.
        let count = if step == RotationStep::Promote {
            1.0
        } else {
            2.0
        };
        until_changed(both, before, count).await;
    }
    load.stop().await;
    until_ready(&frontend).await;
}
