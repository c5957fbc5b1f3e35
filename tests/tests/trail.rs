//! What an operator finds in the journal of what sidecars met: joins that were refused, and endpoints
//! that were left alone.

use std::fs;
use std::time::Duration;

use outrider_proto::v1;
use outrider_tests::{Application, Mesh, Sidecar, call_orders, until_ready};
use tokio::time::timeout;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Life of a certificate. Seconds.
const DAY: u64 = 86_400;

/// The first event of `kind` about `service`, as "kind subject: detail".
async fn event(mesh: &Mesh, kind: &str, service: &str) -> String {
    let request = v1::EventsRequest {
        follow: true,
        kinds: vec![kind.to_owned()],
        services: vec![service.to_owned()],
        ..v1::EventsRequest::default()
    };
    let mut operator = mesh.operator().await;
    let events = operator.events(request).await.expect("it is kept");
    let mut events = events.into_inner();
    let next = timeout(PATIENCE, events.message()).await;
    let event = next.unwrap_or_else(|_| panic!("no {kind} of {service}"));
    let event = event.expect("no status").expect("it goes on");
    format!("{} {}: {}", event.kind, event.subject, event.detail)
}

async fn until_said(sidecar: &Sidecar, expected: u16, words: &str) {
    let admin = sidecar.admin();
    let said = admin.until("/readyz", |status, page| {
        status == expected && page.contains(words)
    });
    let said = timeout(PATIENCE, said).await;
    assert!(said.is_ok(), "/readyz never says {words}");
}

/// Starts a frontend whose token file says `token`; gives what `/readyz` must say of it.
async fn refused(mesh: &Mesh, name: &str, token: &str, words: &str) -> Sidecar {
    fs::write(mesh.token_file("frontend"), token).expect("a file is written");
    let options = mesh.member_without_token("frontend", name);
    let frontend = Sidecar::start(options).await.expect("it starts");
    until_said(&frontend, 503, words).await;
    frontend
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_that_is_refused_is_an_event_with_its_reason() {
    let mesh = Mesh::start(DAY).await;
    let (id, token) = mesh.token("frontend").await;
    let mut operator = mesh.operator().await;
    let revoke = v1::RevokeTokenRequest { id: id.clone() };
    operator.revoke_token(revoke).await.expect("it is revoked");
    let _one = refused(&mesh, "one", &token, "has been revoked").await;
    let said = event(&mesh, "refused", "frontend").await;
    let expected =
        format!("refused default/frontend: With token {id}, from 127.0.0.1: the token has");
    assert!(said.starts_with(&expected), "{said}");

    let (id, token) = mesh.token("orders").await;
    let _two = refused(&mesh, "two", &token, "for service default/orders").await;
    let said = event(&mesh, "refused", "default/orders").await;
    let words = [id.as_str(), "but this sidecar is default/frontend"];
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_could_not_join_again_says_so_and_serves_on() {
    let mut mesh = Mesh::start(DAY).await;
    let frontend = mesh.frontend().await;
    until_ready(&frontend).await;
    mesh.make_anew().await;
    until_said(&frontend, 200, "ok\njoining again is refused: ").await;
    let said = event(&mesh, "refused", "frontend").await;
    assert!(
        said.contains("the root that it trusts is unknown here"),
        "{said}"
    );
    let (_, token) = mesh.token("frontend").await;
    fs::write(mesh.token_file("frontend"), token).expect("a file is written");
    let admin = frontend.admin();
    let believed = admin.until("/readyz", |status, page| {
        status == 200 && !page.contains("joining again")
    });
    timeout(PATIENCE, believed).await.expect("it joins again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sidecar_without_an_application_leaves_alone_is_an_event() {
    let mesh = Mesh::start(DAY).await;
    let application = Application::start("one").await;
    let _orders = mesh.orders("orders", &application).await;
    let frontend = mesh.frontend().await;
    assert_eq!(call_orders(&frontend).await.grpc_status, "0");
    application.fail();
    let failing = async {
        loop {
            call_orders(&frontend).await;
        }
    };
    tokio::select! {
        said = event(&mesh, "ejected", "default/orders") => {
            let expected = "ejected default/orders: default/frontend sends nothing for a while to";
            assert!(said.starts_with(expected), "{said}");
        }
        () = failing => {}
    }
}
