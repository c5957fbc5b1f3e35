//! A backup of a control plane that runs comes back as it was, except that what was revoked stays
//! revoked.

use std::fs;
use std::path::Path;

use outrider_control_plane::{RestoreError, restore};
use outrider_proto::v1;
use outrider_proto::v1::operator_client::OperatorClient;
use outrider_tests::ControlPlane;
use tonic::transport::Channel;

async fn apply(operator: &mut OperatorClient<Channel>, name: &str) -> u64 {
    let text = format!(
        "apiVersion: outrider.dev/v1\nkind: Service\nmetadata: {{ name: {name} }}\nspec: {{}}\n"
    );
    let request = v1::ApplyRequest {
        files: vec![v1::DocumentFile {
            name: format!("{name}.yaml"),
            text,
        }],
        ..v1::ApplyRequest::default()
    };
    let applied = operator.apply(request).await.expect("it is applied");
    applied.into_inner().version
}

async fn token(operator: &mut OperatorClient<Channel>) -> String {
    let request = v1::CreateTokenRequest {
        service: "orders".to_owned(),
        ..v1::CreateTokenRequest::default()
    };
    let created = operator.create_token(request).await.expect("a token");
    created.into_inner().details.expect("details").id
}

async fn back_up(operator: &mut OperatorClient<Channel>, file: &Path) {
    let parts = operator.backup(v1::BackupRequest {}).await;
    let mut parts = parts.expect("a backup").into_inner();
    let mut octets = Vec::new();
    while let Some(part) = parts.message().await.expect("a part") {
        octets.extend(part.octets);
    }
    fs::write(file, octets).expect("it is written");
}

#[tokio::test]
async fn a_backup_comes_back_and_what_was_revoked_stays_revoked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (data, file) = (folder.path().join("data"), folder.path().join("backup"));
    let control_plane = ControlPlane::start(ControlPlane::options(&data)).await;
    let control_plane = control_plane.expect("it starts");
    let mut operator = control_plane.operator().await;
    assert_eq!(apply(&mut operator, "orders").await, 1);
    let (kept, revoked) = (token(&mut operator).await, token(&mut operator).await);
    back_up(&mut operator, &file).await;
    assert_eq!(apply(&mut operator, "payments").await, 2);
    let since = token(&mut operator).await;
    let revoke = v1::RevokeTokenRequest {
        id: revoked.clone(),
    };
    operator.revoke_token(revoke).await.expect("it is revoked");

    let running = restore(&file, &data, true, |_| {});
    assert!(matches!(running, Err(RestoreError::Taken { .. })));
    drop(operator);
    control_plane.stop().await;
    let mut said = String::new();
    let mut say = |sentence: &str| said = format!("{said}{sentence}\n");
    let present = restore(&file, &data, false, &mut say);
    assert!(matches!(present, Err(RestoreError::Present(_))));
    restore(&file, &data, true, &mut say).expect("it is restored");
    for part in ["back from version 2 to 1", &revoked, &since] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(data.join("store.redb.before-restore").exists());

    let control_plane = ControlPlane::start(ControlPlane::options(&data)).await;
    let control_plane = control_plane.expect("it starts");
    let mut operator = control_plane.operator().await;
    let found = operator.get(v1::GetRequest::default()).await;
    assert_eq!(found.expect("documents").into_inner().version, 1);
    let listed = operator.list_tokens(v1::ListTokensRequest {}).await;
    let listed = listed.expect("a list").into_inner().tokens;
    let mut listed: Vec<_> = listed.into_iter().map(|it| (it.id, it.revoked)).collect();
    let mut expected = vec![(kept, false), (revoked, true)];
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
    control_plane.stop().await;
}

#[test]
fn what_is_no_backup_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("backup");
    fs::write(&file, "nothing of ours").expect("it is written");
    let refused = restore(&file, &folder.path().join("data"), true, |_| {});
    assert!(matches!(refused, Err(RestoreError::Backup { .. })));
    assert!(!folder.path().join("data").exists());
}
