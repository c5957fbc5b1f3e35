//! A sidecar that has used up what the machine gives it goes on with what it has, and takes new work
//! again when there is room: a real process under a real limit.

use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use outrider_tests::{Admin, Application, Caller, write_document};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

const GET: &str = "/shop.v1.Orders/Get";

/// Ticks of /proc/PID/stat in a second: fixed on Linux (USER_HZ, proc(5)).
const TICKS_PER_SECOND: u64 = 100;

/// A sidecar in a process of its own; killed when dropped.
struct Sidecar {
    process: Child,
    outbound: SocketAddr,
    admin: Admin,
}

impl Sidecar {
    /// Starts one after `limits`, shell commands that hold for it.
    async fn start(limits: &str, documents: &Path) -> Sidecar {
        let mut process = Command::new("sh")
            .args(["-c", &format!("{limits}; exec \"$@\""), "sh"])
            .args([env!("CARGO_BIN_EXE_outrider"), "sidecar"])
            .args(["--service", "client", "--exit-with-stdin"])
            .args(["--outbound", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .arg("--documents")
            .arg(documents)
            // Held by `Child`: when this test dies in any way, the process sees its input end.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("a shell");
        let stdout = process.stdout.take().expect("it is piped");
        let line = BufReader::new(stdout).lines().next_line().await;
        let line = line.expect("it is read").expect("it is ready");
        let ready: Value = serde_json::from_str(&line).expect("a line of JSON");
        let address = |of: &str| -> SocketAddr {
            let address = ready[of].as_str().expect("an address");
            address.parse().expect("an address")
        };
        Sidecar {
            process,
            outbound: address("outbound"),
            admin: Admin::new(address("admin")),
        }
    }

    /// CPU time used so far, in ticks.
    fn ticks(&self) -> u64 {
        let id = self.process.id().expect("it runs");
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).expect("it runs");
        // The name, which may have spaces, ends with the last parenthesis; then from the third.
        let (_, fields) = stat.rsplit_once(") ").expect("proc(5)");
        let fields: Vec<&str> = fields.split(' ').collect();
        let tick = |field: usize| fields[field - 3].parse::<u64>().expect("a number");
        tick(14) + tick(15)
    }

    /// Returns when `metric` is at least `value`; its admin page is served meanwhile.
    async fn until(&self, metric: &str, value: f64) {
        let reached = async {
            while self.admin.metric(metric).await < value {
                tokio::task::yield_now().await;
            }
        };
        let reached = timeout(Duration::from_secs(10), reached).await;
        assert!(reached.is_ok(), "{metric} stays below {value}");
    }
}

fn write_services(folder: &Path, services: [(&str, SocketAddr); 2]) {
    for (name, address) in services {
        let text = format!(
            "apiVersion: outrider.dev/v1\nkind: Service\nmetadata: {{ name: {name} }}\nspec:\n  \
             tls: none\n  endpoints: {{ static: [ {{ address: \"{address}\" }} ] }}\n"
        );
        write_document(folder, &format!("{name}.yaml"), &text);
    }
}

async fn call(caller: &Caller, service: &str) -> String {
    let reply = caller.call(service, GET, b"hello").await;
    reply.expect("an answer").grpc_status
}

#[tokio::test]
async fn descriptors_that_are_used_up_stop_only_new_connections() {
    let documents = tempfile::tempdir().expect("a temporary folder");
    let (orders, payments) = (Application::start("o").await, Application::start("p").await);
    write_services(
        documents.path(),
        [("orders", orders.address), ("payments", payments.address)],
    );
    let sidecar = Sidecar::start("ulimit -n 64", documents.path()).await;
    let early = Caller::connect(sidecar.outbound).await;
    assert_eq!(call(&early, "orders").await, "0");

    let connect = |_| TcpStream::connect(sidecar.outbound).expect("the backlog takes it");
    let mut flood: Vec<TcpStream> = (0..100).map(connect).collect();
    sidecar.until("outrider_accept_pauses_total ", 1.0).await;
    let (before, since) = (sidecar.ticks(), Instant::now());
    assert_eq!(call(&early, "orders").await, "0", "open connections live");
    let status = call(&early, "payments").await;
    assert_eq!(status, "0", "a new connection to an endpoint has its own");

    // Who says nothing for 5 s is sent away: until then there was no room.
    let mut first = flood.swap_remove(0);
    let gone = tokio::task::spawn_blocking(move || first.read_to_end(&mut Vec::new()));
    gone.await
        .expect("no panic")
        .expect("it is closed in order");
    let (ticks, took) = (sidecar.ticks() - before, since.elapsed());
    assert!(
        took > Duration::from_secs(3),
        "{took:?} are too short to tell"
    );
    let share = ticks as f64 / TICKS_PER_SECOND as f64 / took.as_secs_f64();
    assert!(share < 0.05, "{share} of a core while it waited");

    drop(flood);
    let back = async {
        let late = Caller::connect(sidecar.outbound).await;
        call(&late, "orders").await
    };
    let back = timeout(Duration::from_secs(1), back).await;
    assert_eq!(back.as_deref(), Ok("0"), "a second after there is room");
}
