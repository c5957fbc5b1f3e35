//! The old root retires when nobody depends on it alone, or by force.

use outrider_proto::token::hex;
use outrider_proto::v1::RotationStep;
use outrider_proto::{Kind, TRUST_BUNDLE_SECRET, v1};
use outrider_tests::ControlPlane;
use outrider_tests::member::Member;
use tonic::Code;

fn request(step: RotationStep, force: bool) -> v1::RotateRootRequest {
    v1::RotateRootRequest {
        step: step.into(),
        force,
    }
}

#[tokio::test]
async fn a_root_that_somebody_depends_on_does_not_retire_unless_it_is_forced() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let control_plane = ControlPlane::start(ControlPlane::options(data.path())).await;
    let control_plane = control_plane.expect("it starts");
    let address = control_plane.addresses().listen;
    let mut operator = control_plane.operator().await;
    let orders = Member::join(address, &mut operator, "orders").await;
    let mut ads = orders.ads(None).await;
    ads.subscribe(Kind::Secret, &[TRUST_BUNDLE_SECRET]).await;
    ads.next().await;
    for step in [RotationStep::Add, RotationStep::Promote] {
        let taken = operator.rotate_root(request(step, false)).await;
        taken.expect("the next step");
    }
    let since = v1::CreateTokenRequest {
        service: "payments".to_owned(),
        ..v1::CreateTokenRequest::default()
    };
    operator.create_token(since).await.expect("a token");
    let retire = |force| request(RotationStep::Retire, force);
    let refused = operator.rotate_root(retire(false)).await;
    let refused = refused.expect_err("it is depended on");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let text = refused.message();
    for part in ["1 of 1 connected members", "1 tokens", "for "] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let status = operator.status(v1::StatusRequest {}).await;
    let status = status.expect("a status").into_inner().json;
    assert!(status.contains("\"members_on_old_root\":1"), "{status}");

    operator
        .revoke_token(v1::RevokeTokenRequest {
            id: hex(&orders.token.id),
        })
        .await
        .expect("it is revoked");
    drop(ads);
    let refused = operator.rotate_root(retire(false)).await;
    let refused = refused.expect_err("members that are away may depend on it");
    assert!(!refused.message().contains("tokens that"), "{refused}");
    let forced = operator.rotate_root(retire(true)).await;
    let forced = forced.expect("it is forced").into_inner();
    assert!(forced.warning.contains("may use a certificate of it"));
    assert_eq!(forced.roots.len(), 1);
}
