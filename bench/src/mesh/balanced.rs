//! Backends that are processes, a sidecar that knows them from a document, and calls through it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use std::{fs, io};

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use super::child::Child;
use super::figures::unix_seconds;
use super::looks::Looks;
use super::world::{Ready, shown};

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene {
    pub(super) load: Load,
    /// Calls a second.
    pub(super) rate: u32,
    pub(super) backends: usize,
}

impl Scene {
    /// In which each backend gets a call.
    pub(super) fn turn(self) -> Duration {
        Duration::from_secs(self.backends as u64) / self.rate
    }
}

/// When calls come.
#[derive(Clone, Copy, Debug)]
pub(super) enum Load {
    /// Evenly, whatever became of those before.
    Open,
    /// From callers that wait for their answers: one, or eight for 1,000 a second.
    Closed,
}

impl Load {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Load::Open => "open",
            Load::Closed => "closed",
        }
    }
}

/// What a backend does once.
#[derive(Clone, Copy, Debug)]
pub(super) enum Once {
    Slow,
    Fail,
}

impl Once {
    /// How long a slow answer takes.
    pub(super) const SLOW_MS: f64 = 300.0;

    pub(super) const fn line(self) -> &'static str {
        match self {
            Once::Slow => "slow-once 300",
            Once::Fail => "fail-once",
        }
    }
}

/// The processes of a scene.
pub(super) struct Backends {
    pub(super) scene: Scene,
    processes: Vec<Child>,
    addresses: Vec<SocketAddr>,
    requests: SendRequest<Bytes>,
    log: PathBuf,
    /// Octets of the log that have been read.
    read: usize,
    _sidecar: Child,
    _folder: TempDir,
}

impl Backends {
    /// # Errors
    /// A process does not start.
    pub(super) async fn start(scene: Scene) -> io::Result<Backends> {
        let folder = tempfile::tempdir()?;
        let (mut processes, mut addresses) = (Vec::new(), Vec::new());
        for _ in 0..scene.backends {
            let file = folder.path().join("backend.log");
            let (process, line) = Child::start_backend(&file).await?;
            processes.push(process);
            addresses.push(line.parse().map_err(io::Error::other)?);
        }
        let documents = folder.path().join("documents");
        fs::create_dir(&documents)?;
        fs::write(documents.join("echo.yaml"), document(&addresses))?;
        let log = folder.path().join("access.log");
        let flags = [
            ("--service", "caller".to_owned()),
            ("--documents", shown(&documents)),
            ("--outbound", "127.0.0.1:0".to_owned()),
            ("--admin", "127.0.0.1:0".to_owned()),
            ("--access-log", "all".to_owned()),
            ("--access-log-file", shown(&log)),
        ];
        let words = flags.map(|(name, value)| [name.to_owned(), value]);
        let words: Vec<String> = ["sidecar".to_owned()]
            .into_iter()
            .chain(words.into_iter().flatten())
            .collect();
        let (sidecar, line) = Child::start(&words, &[], &folder.path().join("sidecar.log")).await?;
        let ready: Ready = serde_json::from_str(&line)?;
        Ok(Backends {
            scene,
            processes,
            addresses,
            requests: connect(ready.outbound).await?,
            log,
            read: 0,
            _sidecar: sidecar,
            _folder: folder,
        })
    }

    /// # Errors
    /// The process has ended.
    pub(super) async fn tell(&mut self, index: usize, line: &str) -> io::Result<()> {
        self.processes[index].tell(line).await
    }

    /// Calls for so long, and what the sidecar wrote of them.
    ///
    /// # Errors
    /// A call got no answer, or the sidecar wrote nothing of it.
    pub(super) async fn run(&mut self, length: Duration) -> io::Result<Looks> {
        let began = unix_seconds();
        let called = match self.scene.load {
            Load::Open => open(&self.requests, self.scene.rate, length).await?,
            Load::Closed => closed(&self.requests, self.scene.rate, length).await?,
        };
        let text = self.written(called).await?;
        Looks::of(&text, &self.addresses, began, length)
    }

    /// The next lines of the log.
    async fn written(&mut self, lines: usize) -> io::Result<String> {
        for _ in 0..500 {
            let text = fs::read_to_string(&self.log)?.split_off(self.read);
            if text.matches('\n').count() >= lines {
                self.read += text.len();
                return Ok(text);
            }
            sleep(Duration::from_millis(20)).await;
        }
        Err(io::Error::other("a call has no line in the access log"))
    }
}

async fn connect(entry: SocketAddr) -> io::Result<SendRequest<Bytes>> {
    let socket = TcpStream::connect(entry).await?;
    socket.set_nodelay(true)?;
    let made = h2::client::handshake(socket).await;
    let (requests, connection) = made.map_err(io::Error::other)?;
    tokio::spawn(connection);
    Ok(requests)
}

fn document(addresses: &[SocketAddr]) -> String {
    let endpoint = |address: &SocketAddr| format!("{{ address: \"{address}\" }}");
    let endpoints: Vec<_> = addresses.iter().map(endpoint).collect();
    format!(
        "apiVersion: outrider.dev/v1\nkind: Service\nmetadata: {{ name: echo }}\nspec:\n  tls: none\n  \
         endpoints: {{ static: [ {} ] }}\n",
        endpoints.join(", ")
    )
}

/// Begins so many calls a second; how many in all.
async fn open(requests: &SendRequest<Bytes>, rate: u32, length: Duration) -> io::Result<usize> {
    let end = Instant::now() + length;
    let mut pace = interval(Duration::from_secs(1) / rate);
    let mut calls = JoinSet::new();
    let mut begun = 0;
    while pace.tick().await < end {
        calls.spawn(call(requests.clone()));
        begun += 1;
        while let Some(ended) = calls.try_join_next() {
            ended.map_err(io::Error::other)?.map_err(io::Error::other)?;
        }
    }
    while let Some(ended) = calls.join_next().await {
        ended.map_err(io::Error::other)?.map_err(io::Error::other)?;
    }
    Ok(begun)
}

/// The same from callers that wait for their answers.
async fn closed(requests: &SendRequest<Bytes>, rate: u32, length: Duration) -> io::Result<usize> {
    let callers = if rate > 100 { 8 } else { 1 };
    let end = Instant::now() + length;
    let mut running = JoinSet::new();
    for _ in 0..callers {
        let requests = requests.clone();
        running.spawn(async move {
            let mut pace = interval(Duration::from_secs(1) * callers / rate);
            let mut called = 0;
            while pace.tick().await < end {
                call(requests.clone()).await?;
                called += 1;
            }
            Ok::<usize, h2::Error>(called)
        });
    }
    let mut called = 0;
    while let Some(ended) = running.join_next().await {
        called += ended.map_err(io::Error::other)?.map_err(io::Error::other)?;
    }
    Ok(called)
}

/// Of a message. Octets: so many that the h2 crate, which ends a connection with many small frames unread,
/// does not take a burst of answers for an attack.
const MESSAGE_BYTES: usize = 1024;

/// One call; whatever status it ends with.
async fn call(requests: SendRequest<Bytes>) -> Result<(), h2::Error> {
    let request = Request::post("http://echo/bench.Echo/Unary")
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let mut requests = requests.ready().await?;
    let request = request.body(()).expect("constant fields");
    let (response, mut body) = requests.send_request(request, false)?;
    body.send_data(Bytes::from_static(&[0; MESSAGE_BYTES]), true)?;
    let mut answer = response.await?.into_body();
    while let Some(part) = answer.data().await {
        let length = part?.len();
        answer.flow_control().release_capacity(length)?;
    }
    answer.trailers().await.map(drop)
}
