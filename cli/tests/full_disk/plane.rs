//! A real control plane on that disk, and its operator.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::Duration;

use outrider_proto::v1;
use outrider_proto::v1::operator_client::OperatorClient;
use outrider_tests::{Admin, operator};
use serde_json::Value;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::disk::Disk;

/// From the moment that there is room to the moment that the store is written: 5 s promised, and as
/// many for a busy machine.
const MENDED_WITHIN: Duration = Duration::from_secs(10);

/// A control plane on that disk.
pub struct Plane {
    process: Child,
    pub address: SocketAddr,
    pub admin: Admin,
    pub client: OperatorClient<Channel>,
}

impl Drop for Plane {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Plane {
    /// Starts it; it is killed when dropped.
    pub async fn start(disk: &Disk) -> Plane {
        let mut process = disk
            .command(env!("CARGO_BIN_EXE_outrider"))
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
            address: address("listen"),
            admin: Admin::new(address("admin")),
            client: client.expect("it takes its operator"),
            process,
        }
    }

    /// Applies a document of 40 KiB; its version.
    pub async fn apply(&mut self, count: usize) -> Result<u64, Status> {
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
    pub async fn apply_until_refused(&mut self, count: usize) -> (Vec<u64>, Status) {
        let mut taken = Vec::new();
        for again in 0.. {
            match self.apply(count * 1_000 + again).await {
                Ok(version) => taken.push(version),
                Err(refused) => return (taken, refused),
            }
        }
        unreachable!("a disk is finite")
    }

    /// All versions of the documents, newest first.
    pub async fn versions(&mut self) -> Vec<u64> {
        let request = v1::HistoryRequest { limit: u32::MAX };
        let history = self.client.history(request).await.expect("it is read");
        let versions = history.into_inner().versions.into_iter();
        versions.map(|version| version.version).collect()
    }

    /// The version in force.
    pub async fn in_force(&mut self) -> u64 {
        let found = self.client.get(v1::GetRequest::default()).await;
        found.expect("it is read").into_inner().version
    }

    /// All that does not change anything goes on; what does is refused, in plain words.
    pub async fn check_unwritable(&mut self, cause: &str) {
        let request = v1::CreateTokenRequest {
            service: "orders".to_owned(),
            ..v1::CreateTokenRequest::default()
        };
        let refused = self.client.create_token(request).await;
        check_refused(&refused.expect_err("no token is made"), cause);
        assert_eq!(self.admin.page("/livez").await.0, 200);
        self.check_not_ready(cause).await;
        let unwritable = "outrider_control_plane_store_unwritable";
        assert_eq!(self.admin.metric(unwritable).await as u64, 1);
        self.joins().await;
    }

    /// How often each token was good for a join.
    pub async fn joins(&mut self) -> Vec<u64> {
        let listed = self.client.list_tokens(v1::ListTokensRequest {});
        let listed = timeout(MENDED_WITHIN, listed).await;
        let listed = listed.expect("an answer in time").expect("they are read");
        let tokens = listed.into_inner().tokens.into_iter();
        tokens.map(|token| token.joins).collect()
    }

    /// It says why it takes no changes.
    pub async fn check_not_ready(&self, cause: &str) {
        let (status, text) = self.admin.page("/readyz").await;
        assert!(status == 503 && text.contains(cause), "{status} {text}");
    }

    /// On a full disk it is not ready; or it is, because its file has pages to use again, and then it takes
    /// a change or knows better after it. Returns whether it was not ready at once.
    pub async fn check_readiness(
        &mut self,
        cause: &str,
        count: usize,
        taken: &mut Vec<u64>,
    ) -> bool {
        let (status, _) = self.admin.page("/readyz").await;
        if status == 200 {
            match self.apply(count).await {
                Ok(version) => {
                    taken.push(version);
                    return false;
                }
                Err(refused) => check_refused(&refused, cause),
            }
        }
        self.check_not_ready(cause).await;
        status != 200
    }

    /// It takes writes again, soon.
    pub async fn check_mended(&mut self) {
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

/// It is refused for the disk.
pub fn check_refused(status: &Status, cause: &str) {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains(cause), "{status}");
}
