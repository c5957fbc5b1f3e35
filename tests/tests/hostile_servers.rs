//! The promise: whatever a backend does, its callers get a gRPC status within their deadline and
//! never a success, from one try if the call may have begun; a good backend at the same place is
//! served again within 5 s; and nobody who calls another service behind the same sidecar notices.
//!
//! All forms at once against one sidecar process, each behind a service of its own: what one does
//! must not matter to the others either.

use std::path::Path;
use std::time::Duration;

use outrider_tests::hostile::backends::{self, Form, Place};
use outrider_tests::hostile::ground::{Backend, Outside, Proxy};
use outrider_tests::write_plain_service;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What a status may come behind its deadline on a busy machine.
const LATE_MAX: Duration = Duration::from_secs(2);
/// The good service beside them.
const NEIGHBOUR: &str = "neighbour";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_backends_end_in_a_status_and_harm_nobody_else() {
    let forms = backends::all();
    println!("hostile backends: {} forms", forms.len());
    assert!(forms.len() >= 38, "faults.md has 38");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let documents = folder.path().join("documents");
    std::fs::create_dir(&documents).expect("a folder");
    let mut places = Vec::new();
    for form in forms {
        places.push((form, listen(&documents, &form).await));
    }
    let good = Backend::start().await;
    let program = Path::new(env!("CARGO_BIN_EXE_trust"));
    let proxy = Proxy::named(program, folder.path(), NEIGHBOUR, good.address).await;
    let mut proxy = proxy.expect("the sidecar starts");

    let runs = all(places, proxy.address);
    let address = proxy.address;
    let (mut broken, outside) = Outside::of(&mut proxy, address, NEIGHBOUR, runs).await;

    println!(
        "memory +{} KiB, others: p99 {:?}, slowest {:?}",
        outside.growth_at_peak >> 10,
        outside.felt.p99(),
        outside.felt.slowest()
    );
    broken.extend(outside.complaints());
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Runs all forms at once; what was broken.
async fn all(places: Vec<(Form, TcpListener)>, proxy: std::net::SocketAddr) -> Vec<String> {
    let mut runs = JoinSet::new();
    for (form, listener) in places {
        let place = Place {
            proxy,
            authority: form.name.to_owned(),
            listener,
        };
        runs.spawn(async move { (form.name, backends::run(form, place, LATE_MAX).await) });
    }
    let mut broken = Vec::new();
    while let Some(run) = runs.join_next().await {
        match run.expect("no panic") {
            (name, Ok(endured)) => println!("{name}: {endured:?}"),
            (name, Err(why)) => broken.push(format!("{name}: {why}")),
        }
    }
    broken.sort();
    broken
}

/// A place for the form's backend, and the service that says so.
async fn listen(documents: &Path, form: &Form) -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    write_plain_service(documents, form.name, address);
    listener
}
