//! The promise: a host name stands for what it stands for on this machine, and who calls one that
//! stands for nothing hears which name, and why.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};

use outrider_tests::{Application, Caller, Sidecar, tools, write_service};

/// Set in the copy of this program that runs in namespaces of its own: the folder for its /etc.
const INSIDE: &str = "OUTRIDER_NAMES_INSIDE";

async fn calling(name: &str, port: u16) -> (Sidecar, Caller, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_service(folder.path(), "orders", "none", &format!("{name}:{port}"));
    let sidecar = Sidecar::start(Sidecar::options("frontend", folder.path()));
    let sidecar = sidecar.await.expect("the sidecar starts");
    let caller = Caller::connect(sidecar.addresses().outbound).await;
    (sidecar, caller, folder)
}

fn has_ipv6() -> bool {
    let has = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    if !has {
        tools::say_skipped("no IPv6 on this machine");
    }
    has
}

#[tokio::test]
async fn a_name_with_both_families_reaches_a_server_that_listens_on_one() {
    for listens in [
        SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
        (Ipv4Addr::LOCALHOST, 0).into(),
    ] {
        if listens.is_ipv6() && !has_ipv6() {
            continue;
        }
        let application = Application::start_at(listens, "one").await;
        let (sidecar, caller, _folder) =
            calling("orders.localhost", application.address.port()).await;
        for _ in 0..20 {
            let reply = caller.call("orders", "/shop.v1.Orders/Get", b"").await;
            let reply = reply.expect("a response");
            assert_eq!(reply.grpc_status, "0", "{listens}: {}", reply.grpc_message);
        }
        let admin = sidecar.admin();
        let attempts = r#"outrider_attempts_total{side="outbound",service="orders"}"#;
        assert_eq!(admin.metric(attempts).await, 20.0, "{listens}: none failed");
    }
}

#[tokio::test]
async fn who_calls_a_name_that_does_not_resolve_hears_which_and_why() {
    // No resolver asks a server for it (RFC 6761 6.4).
    let (sidecar, caller, _folder) = calling("orders.invalid.", 9001).await;
    let cause = "orders.invalid. does not resolve: no such name for orders.invalid.";
    sidecar
        .admin()
        .until("/readyz?verbose", |status, text| {
            status == 200 && text.starts_with("ok\n") && text.contains(cause)
        })
        .await;
    let limit = [("grpc-timeout", "100m")];
    let reply = caller.call_with("orders", "/shop.v1.Orders/Get", b"", &limit);
    let reply = reply.await.expect("a response");
    let message = reply.grpc_message.replace("%20", " ");
    assert!(message.contains(cause), "{message}");
}

#[test]
fn a_name_in_a_hosts_file_that_changes_is_read_again() {
    let name = "a_name_in_a_hosts_file_that_changes_is_read_again";
    if let Some(folder) = env::var_os(INSIDE) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build();
        return runtime
            .expect("a runtime")
            .block_on(moves(Path::new(&folder)));
    }
    if !has_namespaces() {
        return tools::skip("no namespaces for tests on this machine");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ended = Command::new("unshare")
        .args(["--map-root-user", "--mount", "--net"])
        .arg(env::current_exe().expect("this program"))
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, folder.path())
        .status();
    assert!(ended.expect("unshare runs").success(), "see above");
}

fn has_namespaces() -> bool {
    let mut command = Command::new("unshare");
    command.args([
        "--map-root-user",
        "--mount",
        "--net",
        "ip",
        "link",
        "set",
        "lo",
        "up",
    ]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|ended| ended.success())
}

fn run(program: &str, arguments: &[&str]) {
    let ended = Command::new(program).args(arguments).status();
    assert!(
        ended.is_ok_and(|it| it.success()),
        "{program} {arguments:?}"
    );
}

/// Runs in the namespaces, where there is no name server.
async fn moves(folder: &Path) {
    run("ip", &["link", "set", "lo", "up"]);
    let etc = folder.join("etc");
    fs::create_dir(&etc).expect("a folder is made");
    run("mount", &["--bind", etc.to_str().expect("UTF-8"), "/etc"]);
    fs::write("/etc/hosts", "127.0.0.2 orders.corp orders\n").expect("it is written");
    let first = Application::start_at((Ipv4Addr::new(127, 0, 0, 2), 0).into(), "first").await;
    let port = first.address.port();
    let second = Application::start_at((Ipv4Addr::new(127, 0, 0, 3), port).into(), "second").await;
    let (_sidecar, caller, _documents) = calling("orders", port).await;
    let call = || async {
        let reply = caller.call("orders", "/shop.v1.Orders/Get", b"").await;
        reply.expect("a response").grpc_status
    };
    assert_eq!(call().await, "0");
    assert_eq!((first.calls(), second.calls()), (1, 0));
    // In place, as Docker and Kubernetes do.
    fs::write("/etc/hosts", "127.0.0.3 orders\n").expect("it is written");
    while second.calls() == 0 {
        assert_eq!(call().await, "0");
        tokio::task::yield_now().await;
    }
}
