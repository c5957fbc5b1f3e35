//! What signals do to each process of the mesh, and what a rotation does to its log: none of them
//! ends it with its calls.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use outrider_tests::{Admin, write_plain_service};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is sent to a process that must go on.
const HARMLESS: [Signal; 7] = [
    Signal::SIGHUP,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGPIPE,
    Signal::SIGALRM,
    Signal::SIGIO,
    Signal::SIGXFSZ,
];

/// A process, and the first line that it printed.
struct Process {
    child: Child,
    line: String,
}

impl Process {
    async fn start(words: &[&str], variables: &[(&str, &str)]) -> Process {
        let mut child = Command::new(env!("CARGO_BIN_EXE_outrider"))
            .args(words)
            .envs(variables.iter().copied())
            // Held by `Child`: when this test dies in any way, the process sees its input end.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the binary starts");
        let stdout = child.stdout.take().expect("it is piped");
        let line = BufReader::new(stdout).lines().next_line().await;
        let line = line.expect("it is read").expect("it is ready");
        Process { child, line }
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.id().expect("it runs");
        let pid = Pid::from_raw(i32::try_from(id).expect("a pid"));
        kill(pid, signal).expect("it runs");
    }

    /// The admin pages that its ready line names.
    fn admin(&self) -> Admin {
        let ready: Value = serde_json::from_str(&self.line).expect("a line of JSON");
        let address = ready["admin"].as_str().expect("an address");
        Admin::new(address.parse().expect("an address"))
    }

    /// Ends it by `signal`, which must not kill it.
    async fn ends_well(mut self, signal: Signal) {
        self.signal(signal);
        let input = self.child.stdin.take();
        let ended = timeout(PATIENCE, self.child.wait()).await;
        let ended = ended.expect("it ends in time").expect("it is waited for");
        assert!(ended.success(), "{signal}: {ended} {:?}", ended.signal());
        drop(input);
    }
}

async fn sidecar(documents: &TempDir, log: &Path) -> Process {
    write_plain_service(documents.path(), "orders", ([127, 0, 0, 1], 9).into());
    let (documents, log) = (documents.path().display(), log.display());
    let words = [
        "sidecar",
        "--exit-with-stdin",
        "--service=client",
        "--outbound=127.0.0.1:0",
        "--admin=127.0.0.1:0",
        &format!("--documents={documents}"),
        &format!("--access-log-file={log}"),
    ];
    Process::start(&words, &[]).await
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Returns when `holds`, which is asked again and again.
async fn until(holds: impl Fn() -> bool) {
    let holding = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, holding).await.expect("it never holds");
}

#[tokio::test]
async fn a_sidecar_lives_on_and_drains_at_sigquit() {
    let documents = folder();
    let sidecar = sidecar(&documents, Path::new("/dev/null")).await;
    for signal in HARMLESS {
        sidecar.signal(signal);
        // The process answers after the signal has reached it.
        assert_eq!(sidecar.admin().page("/livez").await.0, 200, "{signal}");
    }
    sidecar.ends_well(Signal::SIGQUIT).await;
}

#[tokio::test]
async fn a_control_plane_lives_on_and_stops_at_sigquit() {
    let data = folder();
    let data = format!("--data={}", data.path().display());
    let words = [
        "control-plane",
        "--exit-with-stdin",
        "--listen=127.0.0.1:0",
        "--admin=127.0.0.1:0",
        &data,
    ];
    let control_plane = Process::start(&words, &[]).await;
    for signal in HARMLESS {
        control_plane.signal(signal);
        let (status, _) = control_plane.admin().page("/livez").await;
        assert_eq!(status, 200, "{signal}");
    }
    control_plane.ends_well(Signal::SIGQUIT).await;
}

#[tokio::test]
async fn a_service_of_the_demo_lives_on_and_stops_at_sigquit() {
    let words = ["demo-service", "--exit-with-stdin", "payments"];
    let service = Process::start(&words, &[("SHOP_LISTEN", "127.0.0.1:0")]).await;
    let address = service.line.rsplit(' ').next().expect("an address");
    for signal in [
        Signal::SIGHUP,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        Signal::SIGPIPE,
    ] {
        service.signal(signal);
        assert!(TcpStream::connect(address).await.is_ok(), "{signal}");
    }
    service.ends_well(Signal::SIGQUIT).await;
}

#[tokio::test]
async fn a_log_that_was_renamed_away_is_opened_again() {
    let (documents, logs) = (folder(), folder());
    let log = logs.path().join("access.log");
    let sidecar = sidecar(&documents, &log).await;
    // The sidecar opens the log again within a second; after SIGHUP, at once.
    for told in [false, true] {
        fs::rename(&log, log.with_extension("1")).expect("it is renamed");
        if told {
            sidecar.signal(Signal::SIGHUP);
        }
        until(|| log.exists()).await;
    }
    sidecar.ends_well(Signal::SIGTERM).await;
}

/// Longer than a folder is not read where no notice of a change arrives. 10 s (`shared/host/src/folder/watch.rs`).
const RESCAN: Duration = Duration::from_secs(10);

/// Of the configuration in force, by the page of a sidecar.
fn version(page: &str) -> Value {
    let page: Value = serde_json::from_str(page).expect("JSON");
    page["version"].clone()
}

#[tokio::test]
async fn documents_are_read_again_at_sighup_although_no_notice_tells_of_a_change() {
    let (documents, elsewhere) = (folder(), folder());
    let sidecar = sidecar(&documents, Path::new("/dev/null")).await;
    let document = documents.path().join("orders.yaml");
    let text = fs::read_to_string(&document).expect("it is there");
    // The system gives notice only of what is changed by a name in the watched folder.
    let other_name = elsewhere.path().join("orders.yaml");
    fs::hard_link(&document, &other_name).expect("it gets a second name");
    let admin = sidecar.admin();
    let rereading = async {
        for endpoint in ["127.0.0.1:10", "127.0.0.1:11"] {
            let changed = text.replace("127.0.0.1:9", endpoint);
            let before = version(&admin.page("/config").await.1);
            fs::write(&other_name, changed).expect("it is written");
            sidecar.signal(Signal::SIGHUP);
            let is_new = |_, page: &str| version(page) != before;
            admin.until("/config", is_new).await;
        }
    };
    // A rescan alone finds at most one of the two changes in this time.
    let reread = timeout(RESCAN, rereading).await;
    reread.expect("they are not read again");
    sidecar.ends_well(Signal::SIGTERM).await;
}

/// A pipe that has no reader.
fn gone_reader() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

#[tokio::test]
async fn whoever_stops_reading_a_command_gets_no_panic() {
    let folder = folder();
    write_plain_service(folder.path(), "orders", ([127, 0, 0, 1], 9).into());
    let documents = format!("--documents={}", folder.path().display());
    let validate = |output: &str| {
        Command::new("sh")
            .args(["-c", &format!("\"$@\" {output}"), "sh"])
            .args([env!("CARGO_BIN_EXE_outrider"), "validate", &documents])
            .output()
    };
    // The reader has gone before a word is written.
    let mut child = Command::new(env!("CARGO_BIN_EXE_outrider"))
        .args(["validate", &documents])
        .stdout(gone_reader())
        .spawn()
        .expect("the binary starts");
    let ended = child.wait().await.expect("it ends");
    assert!(ended.success(), "{ended}");
    let full = validate("> /dev/full").await.expect("a shell");
    let said = String::from_utf8_lossy(&full.stderr).into_owned();
    assert_eq!(full.status.code(), Some(1), "{said}");
    assert!(
        said.starts_with("outrider: cannot write to standard output: No space"),
        "{said}"
    );
}
