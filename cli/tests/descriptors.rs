//! The promise: a flood of connections takes no descriptor that the control plane needs for its store, its
//! admin pages and its operator.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use outrider_tests::Admin;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Descriptors that the control plane may have: the reserve, its own files, and some tens of connections.
const DESCRIPTORS: &str = "300";

/// Connections that say nothing: more than it has descriptors.
const FLOOD: usize = 500;

#[tokio::test]
async fn a_flood_takes_no_descriptor_from_the_store_the_pages_and_the_operator() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let folder = data.path().to_str().expect("UTF-8");
    let program = env!("CARGO_BIN_EXE_outrider");
    let free = "127.0.0.1:0";
    let mut child = Command::new("sh")
        .args([
            "-c",
            "ulimit -n \"$0\" && exec \"$@\"",
            DESCRIPTORS,
            program,
        ])
        .args([
            "control-plane",
            "--data",
            folder,
            "--listen",
            free,
            "--admin",
            free,
        ])
        // Held by `Child`: when this test dies in any way, the process sees its input end.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the binary starts");
    let stdout = child.stdout.take().expect("it is piped");
    let line = BufReader::new(stdout).lines().next_line().await;
    let line = line.expect("it is read").expect("it is ready");
    let ready: Value = serde_json::from_str(&line).expect("a line of JSON");
    let address = |name: &str| ready[name].as_str().expect("an address").to_owned();
    let (listen, admin) = (address("listen"), address("admin"));

    let mut held = Vec::new();
    for _ in 0..FLOOD {
        held.push(TcpStream::connect(&listen).await.expect("it is accepted"));
    }
    let admin = Admin::new(admin.parse().expect("an address"));
    let alive = admin.until("/livez", |status, _| status == 200);
    timeout(PATIENCE, alive).await.expect("its pages answer");
    let created = Command::new(program)
        .args(["token", "create", "--service", "orders"])
        .args(["--out", &format!("{folder}/orders.token")])
        .args(["--control-plane", &format!("https://{listen}")])
        .args(["--credential", &format!("{folder}/operator")])
        .kill_on_drop(true)
        .output();
    let created = timeout(PATIENCE, created).await.expect("in time");
    let created = created.expect("it runs");
    let said = String::from_utf8_lossy(&created.stderr);
    assert!(created.status.success(), "{said}");
    drop(held);
}
