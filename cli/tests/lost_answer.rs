//! An apply whose answer is lost says so, and is repeated without harm.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use outrider_tests::ControlPlane;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::timeout;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a client has sent when the request is on its way: more than all that goes before.
const REQUEST_BYTES: usize = 20_000;

/// Stands between a client and `server`: passes everything on until the client has sent a request, then
/// nothing of the server's, and ends with `over`.
async fn cut(listener: TcpListener, server: SocketAddr, mut over: watch::Receiver<bool>) {
    let (mut client, _) = listener.accept().await.expect("a client");
    let mut server = TcpStream::connect(server).await.expect("a server");
    let (mut from_client, mut from_server) = ([0; 4_096], [0; 4_096]);
    let mut sent = 0;
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let count = read.expect("octets");
                sent += count;
                server.write_all(&from_client[..count]).await.expect("taken");
            }
            read = server.read(&mut from_server), if sent < REQUEST_BYTES => {
                let count = read.expect("octets");
                client.write_all(&from_server[..count]).await.expect("taken");
            }
            Ok(()) = over.changed() => return,
        }
    }
}

async fn outrider(at: SocketAddr, data: &Path, words: &[&str]) -> Output {
    let command = Command::new(env!("CARGO_BIN_EXE_outrider"))
        .args(words)
        .env("OUTRIDER_CONTROL_PLANE", format!("https://{at}"))
        .env("OUTRIDER_CREDENTIAL", data.join("operator"))
        .output();
    let output = timeout(PATIENCE, command).await.expect("it ends");
    output.expect("the binary starts")
}

/// Documents of more than [`REQUEST_BYTES`] octets and less than a window of HTTP/2.
fn documents(folder: &TempDir) -> String {
    let service = |number: u32| {
        format!(
            "apiVersion: outrider.dev/v1\nkind: Service\nmetadata: {{ name: s{number} }}\nspec: {{}}\n"
        )
    };
    let services: Vec<String> = (0..500).map(service).collect();
    let file = folder.path().join("services.yaml");
    std::fs::write(&file, services.join("---\n")).expect("it is written");
    file.display().to_string()
}

#[tokio::test]
async fn an_apply_that_lost_its_answer_is_repeated_without_harm() {
    let (data, folder) = (tempfile::tempdir(), tempfile::tempdir());
    let (data, folder) = (data.expect("a folder"), folder.expect("a folder"));
    let options = ControlPlane::options(data.path());
    let control_plane = ControlPlane::start(options).await.expect("it starts");
    let (at, data, file) = (
        control_plane.addresses().listen,
        data.path(),
        documents(&folder),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let between = listener.local_addr().expect("an address");
    let (end, over) = watch::channel(false);
    let cutting = tokio::spawn(cut(listener, at, over));
    let apply = ["apply", "-f", &file, "--id", "the-first"];
    let applying = outrider(between, data, &apply);
    let applied = async {
        // A row for the version, below the header.
        while outrider(at, data, &["history"])
            .await
            .stdout
            .split(|octet| *octet == b'\n')
            .count()
            < 3
        {}
        end.send_replace(true);
    };
    let (lost, ()) = tokio::join!(applying, applied);
    cutting.await.expect("no panic");
    let said = String::from_utf8_lossy(&lost.stderr).into_owned();
    assert_eq!(lost.status.code(), Some(1), "{said}");
    for words in [
        "the answer was lost: the other end closed the connection",
        "may have been done",
        "see `outrider history`",
        "`--id the-first`",
    ] {
        assert!(said.contains(words), "{words} is missing: {said}");
    }
    let again = outrider(at, data, &apply).await;
    let printed = String::from_utf8_lossy(&again.stdout).into_owned();
    assert!(printed.ends_with("s99 created\nversion 1\n"), "{printed}");
}
