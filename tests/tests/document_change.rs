//! The promise: a good change of the documents is live without a lost call, a bad one changes
//! nothing and says where it is wrong.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use outrider_tests::{Admin, Application, Caller, Sidecar, write_document, write_service};
use tokio::sync::watch;

/// Longest any of this may take; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Calls under way at any time in the test under load.
const CALLERS: usize = 8;

/// The instance that answers a call to orders.
async fn instance(caller: &Caller) -> String {
    let reply = caller
        .call("orders", "/a.B/Get", b"hello")
        .await
        .expect("a response");
    assert_eq!(reply.grpc_status, "0", "a call was lost: {reply:?}");
    assert_eq!(reply.body, b"hello");
    let instance = reply
        .headers
        .get("x-instance")
        .and_then(|value| value.to_str().ok());
    instance.unwrap_or_default().to_owned()
}

async fn version(admin: Admin) -> String {
    let (_, page) = admin.page("/config").await;
    let page: serde_json::Value = serde_json::from_str(&page).expect("the page is JSON");
    page["version"].as_str().unwrap_or_default().to_owned()
}

async fn until_answered_by(caller: &Caller, expected: &str) {
    let answered = async { while instance(caller).await != expected {} };
    tokio::time::timeout(PATIENCE, answered)
        .await
        .expect("the change is live");
}

#[tokio::test]
async fn a_good_change_under_load_loses_no_call() {
    let (one, two) = (
        Application::start("one").await,
        Application::start("two").await,
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_service(folder.path(), "orders", "none", &one.address.to_string());
    let sidecar = Sidecar::start(Sidecar::options("frontend", folder.path()));
    let sidecar = sidecar.await.expect("the sidecar starts");
    let caller = Caller::connect(sidecar.addresses().outbound).await;
    let (stop, stopped) = watch::channel(false);
    let load = (0..CALLERS).map(|_| {
        let (caller, stopped) = (caller.clone(), stopped.clone());
        tokio::spawn(async move {
            let mut instances = BTreeSet::new();
            while !*stopped.borrow() {
                instances.insert(instance(&caller).await);
            }
            instances
        })
    });
    let load: Vec<_> = load.collect();
    for (address, name) in [
        (two.address, "two"),
        (one.address, "one"),
        (two.address, "two"),
    ] {
        write_service(folder.path(), "orders", "none", &address.to_string());
        until_answered_by(&caller, name).await;
    }
    stop.send_replace(true);
    for calls in load {
        let instances = calls.await.expect("no call was lost");
        assert_eq!(
            instances,
            BTreeSet::from(["one".to_owned(), "two".to_owned()])
        );
    }
}

#[tokio::test]
async fn a_bad_change_says_where_it_is_wrong_and_changes_nothing() {
    let one = Application::start("one").await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_service(folder.path(), "orders", "none", &one.address.to_string());
    let sidecar = Sidecar::start(Sidecar::options("frontend", folder.path()));
    let sidecar = sidecar.await.expect("the sidecar starts");
    let (admin, caller) = (
        sidecar.admin(),
        Caller::connect(sidecar.addresses().outbound).await,
    );
    let good = version(admin).await;
    write_document(
        folder.path(),
        "bad.yaml",
        "apiVersion: outrider.dev/v1\nkind: Servce\n",
    );
    let refused = admin.until("/config", |_, page| page.contains("bad.yaml:2:"));
    tokio::time::timeout(PATIENCE, refused)
        .await
        .expect("the change is refused");
    assert_eq!(version(admin).await, good);
    assert_eq!(instance(&caller).await, "one");
    let refusals = r#"outrider_configuration_changes_total{result="refused"}"#;
    assert_eq!(admin.metric(refusals).await, 1.0);

    std::fs::remove_file(folder.path().join("bad.yaml")).expect("a file is removed");
    let healed = admin.until("/config", |_, page| page.contains("\"refused_change\": []"));
    tokio::time::timeout(PATIENCE, healed)
        .await
        .expect("the folder is good again");
    assert_eq!(version(admin).await, good);
}

/// Kubernetes mounts a ConfigMap as links through `..data` and renames a new `..data` over it.
fn swap_config_map(folder: &Path, version: &str, address: &str) {
    let data = format!("..{version}");
    std::fs::create_dir(folder.join(&data)).expect("a folder is made");
    write_service(&folder.join(&data), "orders", "none", address);
    symlink(&data, folder.join("..data_tmp")).expect("a link is made");
    std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).expect("a link is renamed");
}

#[tokio::test]
async fn a_config_map_is_followed() {
    let (one, two) = (
        Application::start("one").await,
        Application::start("two").await,
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    swap_config_map(folder.path(), "first", &one.address.to_string());
    symlink("..data/orders.yaml", folder.path().join("orders.yaml")).expect("a link is made");
    let sidecar = Sidecar::start(Sidecar::options("frontend", folder.path()));
    let sidecar = sidecar.await.expect("the sidecar starts");
    let caller = Caller::connect(sidecar.addresses().outbound).await;
    assert_eq!(instance(&caller).await, "one");
    swap_config_map(folder.path(), "second", &two.address.to_string());
    until_answered_by(&caller, "two").await;
}

#[tokio::test]
async fn the_name_of_an_endpoint_is_resolved() {
    let one = Application::start("one").await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_service(
        folder.path(),
        "orders",
        "none",
        &format!("localhost:{}", one.address.port()),
    );
    let sidecar = Sidecar::start(Sidecar::options("frontend", folder.path()));
    let sidecar = sidecar.await.expect("the sidecar starts");
    let caller = Caller::connect(sidecar.addresses().outbound).await;
    assert_eq!(instance(&caller).await, "one");
}
