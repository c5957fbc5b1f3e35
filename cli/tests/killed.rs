//! A control plane that is killed at any moment, the start included, keeps every write that it has
//! acknowledged and starts again.
//!
//! Real processes of the real binary, SIGKILL, moments from a seed. `OUTRIDER_KILL_ROUNDS` kills
//! (default 10), `OUTRIDER_KILL_SEED` (default 1). What is proven is the death of the process, not
//! of the machine: the system's cache outlives it.

use std::collections::BTreeSet;
use std::env;
use std::future::pending;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use outrider_proto::v1;
use outrider_proto::v1::operator_client::OperatorClient;
use outrider_tests::operator;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tonic::transport::Channel;

/// Who write documents at once, each its own; one more makes tokens.
const WRITERS: u64 = 3;

/// The kill comes at most so long after the moment that it is counted from. Milliseconds.
const KILL_WITHIN_MS: u64 = 300;

/// When a control plane is killed.
#[derive(Clone, Copy, Debug)]
enum Kill {
    /// So long after it was spawned: while it starts, or soon after.
    AfterSpawn(Duration),
    /// So long after the writers began.
    WhileWriting(Duration),
}

/// A version of the documents.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    version: u64,
    author: String,
}

/// What was acknowledged.
#[derive(Default)]
struct Acknowledged {
    versions: Vec<Version>,
    tokens: Vec<String>,
}

impl Acknowledged {
    fn extend(&mut self, other: Acknowledged) {
        self.versions.extend(other.versions);
        self.tokens.extend(other.tokens);
    }
}

/// xorshift64*: moments, not secrets.
struct Moments(u64);

impl Moments {
    fn next(&mut self) -> Kill {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let random = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        let after = Duration::from_millis(random / 4 % KILL_WITHIN_MS);
        match random % 4 {
            0 => Kill::AfterSpawn(after),
            _ => Kill::WhileWriting(after),
        }
    }
}

fn spawn(data: &Path) -> Child {
    let child = Command::new(env!("CARGO_BIN_EXE_outrider"))
        .args(["control-plane", "--exit-with-stdin"])
        .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .arg("--data")
        .arg(data)
        .env("OUTRIDER_LOG", "error")
        // Held by `Child`: when this test dies in any way, the process sees its input end.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    child.expect("the binary starts")
}

/// Where it listens; `None`: it ended before it was ready.
async fn ready(child: &mut Child) -> Option<SocketAddr> {
    let stdout = child.stdout.take().expect("it is piped");
    let line = BufReader::new(stdout).lines().next_line().await;
    let ready: Value = serde_json::from_str(&line.ok()??).expect("a line of JSON");
    let listen = ready["listen"].as_str().expect("an address");
    Some(listen.parse().expect("an address"))
}

/// Applies one document again and again until the control plane is gone; what was acknowledged.
async fn write(mut client: OperatorClient<Channel>, writer: u64, round: u64) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    for count in 0.. {
        let author = format!("w{writer}-{round}-{count}");
        let request = v1::ApplyRequest {
            files: vec![v1::DocumentFile {
                name: "f.yaml".to_owned(),
                text: text(writer, &author),
            }],
            author: author.clone(),
            dry_run: false,
            ..v1::ApplyRequest::default()
        };
        let Ok(applied) = client.apply(request).await else {
            break;
        };
        let version = applied.into_inner().version;
        acknowledged.versions.push(Version { version, author });
    }
    acknowledged
}

/// Makes one token after the other until the control plane is gone; their ids.
async fn make_tokens(mut client: OperatorClient<Channel>) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    loop {
        let request = v1::CreateTokenRequest {
            namespace: "default".to_owned(),
            service: "orders".to_owned(),
            life_seconds: 0,
        };
        let Ok(created) = client.create_token(request).await else {
            return acknowledged;
        };
        let details = created.into_inner().details;
        acknowledged.tokens.extend(details.map(|token| token.id));
    }
}

fn text(writer: u64, author: &str) -> String {
    format!(
        "apiVersion: outrider.dev/v1\nkind: Service\nmetadata:\n  name: w{writer}\n  \
         annotations: {{ by: {author} }}\nspec: {{}}\n"
    )
}

/// A control plane that writes until it is killed; what it has acknowledged.
async fn round(data: &Path, round: u64, kill: Kill) -> Acknowledged {
    let mut child = spawn(data);
    let mut writers = JoinSet::new();
    let begin = async {
        let listen = ready(&mut child).await.expect("no torn start");
        for writer in 0..WRITERS {
            let connected = operator(data, listen).await.expect("it takes its operator");
            writers.spawn(write(connected, writer, round));
        }
        let connected = operator(data, listen).await.expect("it takes its operator");
        writers.spawn(make_tokens(connected));
    };
    // The moment is the test: whatever is under way then is cut off.
    match kill {
        Kill::AfterSpawn(after) => tokio::select! {
            () = async { begin.await; pending().await } => {}
            () = sleep(after) => {}
        },
        Kill::WhileWriting(after) => {
            begin.await;
            sleep(after).await;
        }
    }
    child.kill().await.expect("it is there to be killed");
    let mut acknowledged = Acknowledged::default();
    for written in writers.join_all().await {
        acknowledged.extend(written);
    }
    acknowledged
}

/// What the history knows of all that ever was written, oldest first.
async fn kept(client: &mut OperatorClient<Channel>) -> Vec<Version> {
    let request = v1::HistoryRequest { limit: u32::MAX };
    let history = client.history(request).await.expect("it is kept");
    let versions = history.into_inner().versions.into_iter().rev();
    let kept = versions.map(|version| Version {
        version: version.version,
        author: version.author,
    });
    kept.collect()
}

async fn tokens(client: &mut OperatorClient<Channel>) -> BTreeSet<String> {
    let listed = client.list_tokens(v1::ListTokensRequest {}).await;
    let tokens = listed.expect("they are kept").into_inner().tokens;
    tokens.into_iter().map(|token| token.id).collect()
}

/// Each document in force is the last one that its writer has in the history.
async fn check_in_force(client: &mut OperatorClient<Channel>, kept: &[Version]) {
    let found = client.get(v1::GetRequest::default()).await;
    let found = found.expect("they are there").into_inner();
    assert_eq!(found.version, kept.len() as u64);
    for writer in 0..WRITERS {
        let own = format!("w{writer}-");
        let last = kept.iter().rfind(|kept| kept.author.starts_with(&own));
        let expected = last.map(|last| (last.version, text(writer, &last.author)));
        let mut documents = found.documents.iter();
        let stored = documents.find(|stored| {
            let name = stored.document.as_ref().map(|name| &*name.name);
            name == Some(&format!("w{writer}"))
        });
        let stored = stored.map(|stored| (stored.version, stored.text.clone()));
        assert_eq!(stored, expected);
    }
}

fn number(variable: &str, default: u64) -> u64 {
    let given = env::var(variable).ok();
    given.map_or(default, |given| given.parse().expect("a number"))
}

#[tokio::test]
async fn no_acknowledged_write_is_lost_when_the_process_is_killed() {
    let rounds = number("OUTRIDER_KILL_ROUNDS", 10);
    let seed = number("OUTRIDER_KILL_SEED", 1).max(1);
    println!("seed {seed}");
    let data = tempfile::tempdir().expect("a temporary folder");
    let (mut moments, mut acknowledged) = (Moments(seed), Acknowledged::default());
    for count in 0..rounds {
        let written = round(data.path(), count, moments.next()).await;
        acknowledged.extend(written);
        let mut child = spawn(data.path());
        let listen = ready(&mut child).await.expect("no torn start");
        let mut client = operator(data.path(), listen).await.expect("connected");
        client = client.max_decoding_message_size(usize::MAX);
        let kept = kept(&mut client).await;
        let numbers = kept.iter().map(|kept| kept.version);
        assert!(numbers.eq(1..=kept.len() as u64), "round {count}: a gap");
        for write in &acknowledged.versions {
            assert!(
                kept.binary_search(write).is_ok(),
                "round {count}: lost {write:?}"
            );
        }
        check_in_force(&mut client, &kept).await;
        let tokens = tokens(&mut client).await;
        let lost = acknowledged.tokens.iter().find(|id| !tokens.contains(*id));
        assert_eq!(lost, None, "round {count}: lost a token");
        child.kill().await.expect("it is there to be killed");
    }
    let (versions, tokens) = (acknowledged.versions.len(), acknowledged.tokens.len());
    println!("{rounds} kills, {versions} versions and {tokens} tokens acknowledged and kept");
    assert!(versions > 0 && tokens > 0, "nothing was ever written");
}
