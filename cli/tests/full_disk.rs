//! A control plane whose disk fills up refuses changes and does all else, also when it is killed and
//! started again meanwhile; with room on the disk it goes on by itself; and what it acknowledged
//! is there.
//!
//! A real process on a small file system of its own, in a mount namespace, which takes root.
//! `OUTRIDER_FULL_DISK_CYCLES` times full and free again (default 100).

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use outrider_proto::v1;
use outrider_proto::v1::operator_client::OperatorClient;
use outrider_tests::{Admin, operator, tools};
use serde_json::Value;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Code, Status};

/// Size of the disk. MiB; room for what 100 cycles write.
const DISK_MIB: usize = 48;

/// From the moment that there is room to the moment that the store is written: 5 s promised, and as
/// many for a busy machine.
const MENDED_WITHIN: Duration = Duration::from_secs(10);

/// Of how many cycles one has a kill -9 and a start on the full disk.
const CYCLES_PER_KILL: usize = 5;

/// A small file system that no other process sees. It ends with the process that holds it.
struct Disk {
    holder: Child,
    /// Where the holder sees it, and where we do.
    folder: tempfile::TempDir,
    seen: PathBuf,
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

impl Disk {
    /// `None`: this machine lets us mount nothing.
    fn mount() -> Option<Disk> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let script = format!("mount -t tmpfs -o size={DISK_MIB}m disk \"$0\" && echo && exec cat");
        let holder = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", &script])
            .arg(folder.path())
            // Held by `Child`: when this test dies in any way, the holder sees its input end.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut holder = holder.ok()?;
        let mut line = String::new();
        let stdout = holder.stdout.take().expect("it is piped");
        let _ = BufReader::new(stdout).read_line(&mut line);
        let root = format!("/proc/{}/root{}", holder.id(), folder.path().display());
        let disk = Disk {
            holder,
            folder,
            seen: root.into(),
        };
        (line == "\n").then_some(disk)
    }

    fn filler(&self) -> PathBuf {
        self.seen.join("filler")
    }

    /// Writes until nothing more fits, and leaves so many octets.
    fn fill_up_to(&self, room: u64) {
        let mut filler = File::create(self.filler()).expect("a file");
        for size in [1 << 20, 4_096, 1] {
            let octets = vec![0; size];
            loop {
                match filler.write_all(&octets) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        let full = filler.metadata().expect("it is there").len();
        filler.set_len(full - room).expect("it is shortened");
    }

    fn free(&self) {
        fs::remove_file(self.filler()).expect("it is there");
    }

    fn remount(&self, option: &str) {
        let mount = Command::new("nsenter")
            .arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id()))
            .args(["mount", "-o", &format!("remount,{option}")])
            .arg(self.folder.path())
            .status();
        assert!(mount.expect("nsenter is there").success());
    }
}

/// A control plane on that disk.
struct Plane {
    process: Child,
    admin: Admin,
    client: OperatorClient<Channel>,
}

impl Drop for Plane {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Plane {
    async fn start(disk: &Disk) -> Plane {
        let mut process = Command::new("nsenter")
            .arg(format!("--mount=/proc/{}/ns/mnt", disk.holder.id()))
            .arg(env!("CARGO_BIN_EXE_outrider"))
            .args(["control-plane", "--exit-with-stdin"])
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .arg("--data")
            .arg(disk.folder.path().join("data"))
            .env("OUTRIDER_LOG", "error")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("nsenter is there");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("it is piped");
        let read = BufReader::new(stdout).read_line(&mut line);
        read.expect("it is ready");
        let ready: Value = serde_json::from_str(&line).expect("a line of JSON");
        let address = |name: &str| -> SocketAddr {
            let address = ready[name].as_str().expect("an address");
            address.parse().expect("an address")
        };
        let client = operator(&disk.seen.join("data"), address("listen")).await;
        Plane {
            admin: Admin::new(address("admin")),
            client: client.expect("it takes its operator"),
            process,
        }
    }

    /// Applies a document of 40 KiB; its version.
    async fn apply(&mut self, count: usize) -> Result<u64, Status> {
        let request = v1::ApplyRequest {
            files: vec![v1::DocumentFile {
                name: "f.yaml".to_owned(),
                text: text(count),
            }],
            author: format!("cycle-{count}"),
            ..v1::ApplyRequest::default()
        };
        let applied = self.client.apply(request).await?;
        Ok(applied.into_inner().version)
    }

    /// Applies until that is refused; what was taken.
    async fn apply_until_refused(&mut self, count: usize) -> (Vec<u64>, Status) {
        let mut taken = Vec::new();
        for again in 0.. {
            match self.apply(count * 1_000 + again).await {
                Ok(version) => taken.push(version),
                Err(refused) => return (taken, refused),
            }
        }
        unreachable!("a disk is finite")
    }

    async fn versions(&mut self) -> Vec<u64> {
        let request = v1::HistoryRequest { limit: u32::MAX };
        let history = self.client.history(request).await.expect("it is read");
        let versions = history.into_inner().versions.into_iter();
        versions.map(|version| version.version).collect()
    }

    async fn in_force(&mut self) -> u64 {
        let found = self.client.get(v1::GetRequest::default()).await;
        found.expect("it is read").into_inner().version
    }

    /// All that does not change anything goes on; what does is refused, in plain words.
    async fn check_unwritable(&mut self, cause: &str) {
        let request = v1::CreateTokenRequest {
            service: "orders".to_owned(),
            ..v1::CreateTokenRequest::default()
        };
        let refused = self.client.create_token(request).await;
        check_refused(&refused.expect_err("no token is made"), cause);
        assert_eq!(self.admin.page("/livez").await.0, 200);
        let (status, text) = self.admin.page("/readyz").await;
        assert!(status == 503 && text.contains(cause), "{status} {text}");
        let unwritable = "outrider_control_plane_store_unwritable";
        assert_eq!(self.admin.metric(unwritable).await as u64, 1);
        let tokens = self.client.list_tokens(v1::ListTokensRequest {}).await;
        tokens.expect("tokens are read");
    }

    async fn check_mended(&mut self) {
        let ready = self.admin.until("/readyz", |status, _| status == 200);
        let mended = timeout(MENDED_WITHIN, ready).await;
        mended.expect("it is ready soon after there is room");
    }
}

fn text(count: usize) -> String {
    let filler = "x".repeat(40 << 10);
    format!(
        "# {filler}\napiVersion: outrider.dev/v1\nkind: Service\nmetadata:\n  name: orders\n  \
         annotations: {{ count: \"{count}\" }}\nspec: {{}}\n"
    )
}

fn check_refused(status: &Status, cause: &str) {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains(cause), "{status}");
}

fn cycles() -> usize {
    let given = env::var("OUTRIDER_FULL_DISK_CYCLES").ok();
    given.map_or(100, |given| given.parse().expect("a number"))
}

fn mounted() -> Option<Disk> {
    let disk = Disk::mount();
    if disk.is_none() {
        tools::skip("no file system can be mounted in a namespace of our own: that takes root");
    }
    disk
}

fn check_kept(acknowledged: &[u64], kept: &[u64]) {
    for version in acknowledged {
        assert!(kept.contains(version), "version {version} is lost");
    }
}

#[tokio::test]
async fn a_full_disk_refuses_changes_and_nothing_else_and_loses_nothing() {
    const FULL: &str = "No space left on device";
    let Some(disk) = mounted() else { return };
    let mut plane = Plane::start(&disk).await;
    let mut acknowledged = vec![plane.apply(0).await.expect("there is room")];
    for cycle in 1..=cycles() {
        // So that the disk fails at another octet of another write each time.
        disk.fill_up_to(cycle as u64 % 16 * 12 * 1_024);
        let (taken, refused) = plane.apply_until_refused(cycle).await;
        acknowledged.extend(taken);
        check_refused(&refused, FULL);
        plane.check_unwritable(FULL).await;
        if cycle % CYCLES_PER_KILL == 0 {
            drop(plane);
            plane = Plane::start(&disk).await;
            check_kept(&acknowledged, &plane.versions().await);
        }
        disk.free();
        plane.check_mended().await;
        acknowledged.push(
            plane
                .apply(cycle * 1_000 + 999)
                .await
                .expect("there is room"),
        );
        assert_eq!(plane.in_force().await, acknowledged[acknowledged.len() - 1]);
    }
    check_kept(&acknowledged, &plane.versions().await);
    drop(plane);
    let mut plane = Plane::start(&disk).await;
    let kept = plane.versions().await;
    check_kept(&acknowledged, &kept);
    assert_eq!(plane.in_force().await, kept[0]);
    println!("{} cycles, {} versions kept", cycles(), acknowledged.len());
}

#[tokio::test]
async fn a_read_only_disk_is_served_from_and_goes_on_when_it_is_none_any_more() {
    let Some(disk) = mounted() else { return };
    let mut plane = Plane::start(&disk).await;
    let version = plane.apply(1).await.expect("there is room");
    // Not stopped: what it leaves behind has to be put right by the next one.
    drop(plane);
    disk.remount("ro");
    let mut plane = Plane::start(&disk).await;
    assert_eq!(plane.in_force().await, version);
    let cause = "Read-only file system";
    check_refused(
        &plane.apply(2).await.expect_err("nothing is written"),
        cause,
    );
    plane.check_unwritable(cause).await;
    disk.remount("rw");
    plane.check_mended().await;
    assert_eq!(plane.apply(3).await.ok(), Some(version + 1));
}
