//! The promise: equal instances get equal shares, one slow answer or failure costs none its share, a
//! slow one is left alone, and a healthy one is found while another fails.
//!
//! Over real sockets, so only shares and codes are looked at, no latencies: a busy machine has its own.
//! The figures in virtual time are those of `shared/policy/src/balance/simulation`; those with every process
//! a process of its own are in `bench/results/` (`mesh balance`).

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use outrider_daemon::AccessLog;
use outrider_tests::interop::Peer;
use outrider_tests::{Application, Caller, Sidecar, tools, write_document};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};

const GET: &str = "/shop.v1.Orders/Get";
const PLACE: &str = "/shop.v1.Orders/Place";

/// How calls come.
#[derive(Clone, Copy, Debug)]
enum Load {
    /// So many a second.
    Open(u32),
    /// One after the other, so many a second at most.
    Closed(u32),
}

/// Instances, a sidecar that knows them, and a caller.
struct Shop {
    instances: Vec<Application>,
    caller: Caller,
    _sidecar: Sidecar,
    _folder: tempfile::TempDir,
}

impl Shop {
    /// `Get` may be repeated, `Place` may not.
    async fn start(count: usize) -> Shop {
        let mut instances = vec![];
        for _ in 0..count {
            instances.push(Application::start("one").await);
        }
        let addresses = instances.iter().map(|found| found.address);
        let addresses: Vec<_> = addresses
            .map(|at| format!("{{ address: \"{at}\" }}"))
            .collect();
        let text = format!(
            "apiVersion: outrider.dev/v1
kind: Service
metadata: {{ name: orders }}
spec:
  grpcServices: [shop.v1.Orders]
  tls: none
  endpoints: {{ static: [ {} ] }}
---
apiVersion: outrider.dev/v1
kind: TrafficPolicy
metadata: {{ name: orders }}
spec:
  targetRefs: [ {{ kind: Service, name: orders }} ]
  methods:
    - {{ name: shop.v1.Orders/Get, unary: true, idempotent: true }}
",
            addresses.join(", ")
        );
        let folder = tempfile::tempdir().expect("a temporary folder");
        write_document(folder.path(), "orders.yaml", &text);
        let options = outrider_daemon::Options {
            workers: 1,
            ..Sidecar::options("frontend", folder.path())
        };
        let sidecar = Sidecar::start(options).await.expect("the sidecar starts");
        let caller = Caller::connect(sidecar.addresses().outbound).await;
        Shop {
            instances,
            caller,
            _sidecar: sidecar,
            _folder: folder,
        }
    }

    /// Calls for `seconds`; how many each instance got.
    async fn run(&self, load: Load, seconds: f64) -> Vec<usize> {
        let before: Vec<_> = self.instances.iter().map(Application::calls).collect();
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        let (Load::Open(rate) | Load::Closed(rate)) = load;
        let mut pace = interval(Duration::from_secs(1) / rate);
        let mut open = JoinSet::new();
        while pace.tick().await < end {
            let caller = self.caller.clone();
            let call = async move { caller.call("orders", GET, b"").await.map(drop) };
            match load {
                Load::Open(_) => drop(open.spawn(call)),
                Load::Closed(_) => call.await.expect("an answer"),
            }
        }
        while let Some(ended) = open.join_next().await {
            ended.expect("no panic").expect("an answer");
        }
        let now = self.instances.iter().map(Application::calls);
        now.zip(before).map(|(now, before)| now - before).collect()
    }

    /// Calls one after the other; the longest row that failed, and how many in all.
    async fn failures(&self, path: &str, calls: usize) -> (usize, usize) {
        let (mut row, mut longest, mut failed) = (0, 0, 0);
        for _ in 0..calls {
            let reply = self
                .caller
                .call("orders", path, b"")
                .await
                .expect("a response");
            row = if reply.grpc_status == "0" { 0 } else { row + 1 };
            failed += usize::from(row > 0);
            longest = longest.max(row);
        }
        (longest, failed)
    }
}

/// What is looked at: `count` instances, and how calls come.
#[derive(Clone, Copy, Debug)]
struct Scene {
    count: usize,
    load: Load,
}

impl Scene {
    /// Each number of instances at so many calls a second, open and closed.
    fn at(rate: u32) -> impl Iterator<Item = Scene> {
        let loads = [Load::Open(rate), Load::Closed(rate)].into_iter();
        loads.flat_map(|load| [2, 3, 10].map(|count| Scene { count, load }))
    }
}

/// A share is a matter of chance, more so on a busy machine, where an equal instance is slower for a while. In
/// virtual time each of these figures holds in 99 windows of a hundred at least, whatever the noise
/// (`shared/policy/src/balance/simulation/shares.rs`), so one that holds fails three times on end
/// once in a million, and one that does not hold fails again.
async fn holds<Trial: Future<Output = Result<(), String>>>(trial: impl Fn() -> Trial) {
    let mut failed = vec![];
    while let Err(why) = trial().await {
        failed.push(why);
        assert!(failed.len() < 3, "{failed:#?}");
    }
}

/// The share of an instance in calls; 1 is fair.
fn share(got: &[usize], index: usize) -> f64 {
    (got[index] * got.len()) as f64 / got.iter().sum::<usize>() as f64
}

fn check(holds: bool, scene: Scene, got: &[usize]) -> Result<(), String> {
    holds
        .then_some(())
        .ok_or_else(|| format!("{scene:?}: {got:?}"))
}

/// The order of a turn changes, so a window may hold two calls more or less of one instance
/// (`equal_endpoints_take_turns`): the bound where 20 % of the share are fewer. Of the 25 calls that
/// 5 s have at 5 a second ten instances so get 0.5 to 4.5 each, which a choice by chance
/// keeps to in one window of a hundred.
async fn fair(scene: Scene, seconds: f64) -> Result<(), String> {
    let shop = Shop::start(scene.count).await;
    let got = shop.run(scene.load, seconds).await;
    let fair = got.iter().sum::<usize>() as f64 / scene.count as f64;
    let allowed = (0.2 * fair).max(2.0);
    let is_fair = |got: &usize| (*got as f64 - fair).abs() <= allowed;
    check(got.iter().all(is_fair), scene, &got)
}

#[tokio::test]
async fn equal_instances_get_equal_shares() {
    let mut cases = JoinSet::new();
    for scene in [5, 50].into_iter().flat_map(Scene::at) {
        cases.spawn(holds(move || fair(scene, 5.0)));
    }
    while let Some(case) = cases.join_next().await {
        case.expect("fair");
    }
    // As many calls as shares can be seen in.
    for scene in Scene::at(1_000) {
        holds(|| fair(scene, 2.0)).await;
    }
}

/// What an instance does once.
#[derive(Clone, Copy, Debug)]
enum Once {
    Slow,
    Fail,
}

/// The first answer of the second instance is slow, or a failure: 3 s later it has half of its share. Of 25
/// calls to ten instances that is one.
async fn forgiven(scene: Scene, once: Once, seconds: f64) -> Result<(), String> {
    let shop = Shop::start(scene.count).await;
    let second = &shop.instances[1];
    match once {
        Once::Fail => second.fail(),
        Once::Slow => second.delay(Duration::from_millis(300)),
    }
    while second.calls() == 0 {
        shop.failures(GET, 1).await;
    }
    second.heal();
    second.delay(Duration::ZERO);
    shop.run(scene.load, 3.0).await;
    let got = shop.run(scene.load, seconds).await;
    let fair = got.iter().sum::<usize>() as f64 / scene.count as f64;
    let got_half = got[1] as f64 >= (0.5 * fair).floor();
    check(got_half, scene, &got).map_err(|why| format!("{once:?}: {why}"))
}

#[tokio::test]
async fn one_slow_answer_or_failure_costs_no_instance_its_share() {
    let mut cases = JoinSet::new();
    for scene in [5, 50].into_iter().flat_map(Scene::at) {
        for once in [Once::Slow, Once::Fail] {
            cases.spawn(holds(move || forgiven(scene, once, 5.0)));
        }
    }
    while let Some(case) = cases.join_next().await {
        case.expect("forgiven");
    }
    // The fewest and the most instances; the bench has them all.
    for (count, load) in [(2, Load::Open(1_000)), (10, Load::Closed(1_000))] {
        for once in [Once::Slow, Once::Fail] {
            holds(|| forgiven(Scene { count, load }, once, 1.0)).await;
        }
    }
}

/// The first instance takes `times` as long as the others. At 5 calls a second a tenth of the share
/// of one of ten is a call in 20 s: nothing that a test could see, but the bench.
async fn left_alone(scene: Scene, times: u32) -> Result<(), String> {
    let shop = Shop::start(scene.count).await;
    let usual = Duration::from_millis(15);
    shop.instances.iter().for_each(|found| found.delay(usual));
    shop.instances[0].delay(usual * times);
    shop.run(scene.load, 6.0).await;
    let got = shop.run(scene.load, 5.0).await;
    check(share(&got, 0) <= 0.1 || got[0] <= 1, scene, &got)
}

#[tokio::test]
async fn a_slow_instance_gets_a_tenth_of_its_share_at_most() {
    let mut cases = JoinSet::new();
    for (count, times) in [(2, 10), (3, 10), (10, 10), (10, 3)] {
        for load in [Load::Open(100), Load::Closed(50)] {
            cases.spawn(holds(move || left_alone(Scene { count, load }, times)));
        }
    }
    while let Some(case) = cases.join_next().await {
        case.expect("left alone");
    }
    let many = Scene {
        count: 10,
        load: Load::Open(1_000),
    };
    holds(|| left_alone(many, 10)).await;
}

#[tokio::test]
async fn a_healthy_instance_is_found_while_the_other_fails() {
    for (first, second) in [(0, 1), (1, 0)] {
        let shop = Shop::start(2).await;
        let (first, second) = (&shop.instances[first], &shop.instances[second]);
        // Long enough that its breaker has opened more than once.
        first.fail();
        shop.failures(PLACE, 1_000).await;
        second.fail();
        shop.failures(PLACE, 200).await;
        first.heal();
        let (longest, failed) = shop.failures(PLACE, 120).await;
        assert!(
            longest <= 5 && failed <= 20,
            "{failed} of 120, {longest} in a row"
        );
        second.heal();
        first.fail();
        let (_, failed) = shop.failures(GET, 120).await;
        assert_eq!(failed, 0, "a retry goes to the other one");
    }
}

/// grpcio's server as a process of its own.
struct Process {
    address: SocketAddr,
    child: Child,
}

impl Process {
    async fn start() -> Process {
        let address = tools::free_address();
        let mut command = Peer::Python.server(address).expect("a program");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.kill_on_drop(true).spawn().expect("it starts");
        let mut turn = interval(Duration::from_millis(20));
        let listening = async {
            while TcpStream::connect(address).await.is_err() {
                turn.tick().await;
            }
        };
        let listens = timeout(Duration::from_secs(60), listening).await;
        listens.expect("it listens");
        Process { address, child }
    }

    /// Stops it, or lets it go on.
    async fn signal(&self, signal: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args([signal, &id]).status().await;
        assert!(sent.expect("kill runs").success());
    }
}

/// Calls 50 times a second, one after the other, for so many seconds; how many each process got, by the
/// sidecar's access log.
async fn calls_to(processes: &[Process], caller: &Caller, log: &Path, seconds: u64) -> Vec<usize> {
    let read = || std::fs::read_to_string(log).unwrap_or_default();
    let before = read().lines().count();
    let mut pace = interval(Duration::from_millis(20));
    let calls = usize::try_from(50 * seconds).expect("a few");
    for _ in 0..calls {
        pace.tick().await;
        let path = "/grpc.testing.TestService/EmptyCall";
        let reply = caller.call("orders", path, &[0; 5]).await;
        assert_eq!(reply.expect("a response").grpc_status, "0");
    }
    let logged = async {
        while read().lines().count() < before + calls {
            pace.tick().await;
        }
    };
    let logged = timeout(Duration::from_secs(60), logged).await;
    logged.expect("each call has its line");
    let text = read();
    let to = |process: &Process| {
        let endpoint = format!("\"endpoint\":\"{}\"", process.address);
        let lines = text.lines().skip(before);
        lines.filter(|line| line.contains(&endpoint)).count()
    };
    processes.iter().map(to).collect()
}

/// As in the report: two equal servers of grpcio, one caller; the second one is cold at first, for 300 ms.
/// On a busy machine a process is slower than the other for seconds, so shares need be equal in one
/// window of 5 s only: one that is left alone for good has none.
#[tokio::test]
async fn a_process_that_is_cold_gets_its_share_again() {
    if tools::wanted("grpcio/bin/python").is_none() {
        return;
    }
    let processes = [Process::start().await, Process::start().await];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let documents = folder.path().join("documents");
    std::fs::create_dir(&documents).expect("a folder");
    let [first, second] = [&processes[0], &processes[1]].map(|process| process.address);
    let text = format!(
        "apiVersion: outrider.dev/v1\nkind: Service\nmetadata: {{ name: orders }}\nspec:\n  \
         tls: none\n  endpoints: {{ static: [ {{ address: \"{first}\" }}, {{ address: \"{second}\" }} ] }}\n"
    );
    write_document(&documents, "orders.yaml", &text);
    let log = folder.path().join("access.log");
    let options = outrider_daemon::Options {
        workers: 1,
        access_log: AccessLog::All,
        access_log_file: Some(log.clone()),
        ..Sidecar::options("frontend", &documents)
    };
    let sidecar = Sidecar::start(options).await.expect("the sidecar starts");
    let caller = Caller::connect(sidecar.addresses().outbound).await;
    processes[1].signal("-STOP").await;
    let cold = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        processes[1].signal("-CONT").await;
    };
    let (_, at_first) = tokio::join!(cold, calls_to(&processes, &caller, &log, 3));
    let mut windows = vec![at_first];
    let is_fair = |got: &Vec<usize>| got.iter().all(|got| got.abs_diff(125) <= 25);
    while !windows.last().is_some_and(is_fair) {
        assert!(windows.len() <= 6, "{windows:?}");
        windows.push(calls_to(&processes, &caller, &log, 5).await);
    }
}
