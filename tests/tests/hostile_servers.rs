//! The promise: whatever a backend does, its callers get a gRPC status within their deadline and
//! never a success; and a good backend at the same place is served again within 5 s.
//!
//! All forms at once against one sidecar, each behind a service of its own: what one does must not
//! matter to the others either.

use std::time::Duration;

use outrider_tests::hostile::backends::{self, Form, Place};
use outrider_tests::{Sidecar, write_plain_service};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What a status may come behind its deadline on a busy machine.
const LATE_MAX: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_backends_end_in_a_status_and_a_good_one_is_served_again() {
    let forms = backends::all();
    println!("hostile backends: {} forms", forms.len());
    assert!(forms.len() >= 38, "faults.md has 38");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut listeners = Vec::new();
    for form in &forms {
        listeners.push(listen(folder.path(), form).await);
    }
    let mut options = Sidecar::options("frontend", folder.path());
    options.access_log_file = Some(folder.path().join(".access.log"));
    let sidecar = Sidecar::start(options).await.expect("the sidecar starts");

    let mut runs = JoinSet::new();
    for (form, listener) in forms.into_iter().zip(listeners) {
        let place = Place {
            proxy: sidecar.addresses().outbound,
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
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// A place for the form's backend, and the service that says so.
async fn listen(documents: &std::path::Path, form: &Form) -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    write_plain_service(documents, form.name, address);
    listener
}
