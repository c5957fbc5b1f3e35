//! The promise: what `outrider get -o yaml` prints, `outrider apply` takes back, and nothing changes.
//!
//! Over generated sets of documents of every kind with every field, written in every way that YAML 1.2
//! allows around a document.

#[path = "round_trip/documents.rs"]
mod documents;
#[expect(dead_code, reason = "when a change holds is asked by another test")]
#[path = "changes/page.rs"]
mod page;
#[path = "round_trip/written.rs"]
mod written;

use std::collections::BTreeSet;

use outrider_proto::v1;
use outrider_proto::v1::operator_client::OperatorClient;
use outrider_tests::ControlPlane;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;
use tonic::transport::Channel;

type Files = Vec<(String, String)>;

async fn apply(operator: &mut OperatorClient<Channel>, files: &Files) -> v1::Applied {
    let files = files.iter().cloned();
    let request = v1::ApplyRequest {
        files: files
            .map(|(name, text)| v1::DocumentFile { name, text })
            .collect(),
        author: "ada".to_owned(),
        dry_run: false,
        ..v1::ApplyRequest::default()
    };
    let applied = operator.apply(request).await;
    applied.expect("what is right is taken").into_inner()
}

/// As `outrider get -o yaml` prints them.
async fn get(operator: &mut OperatorClient<Channel>) -> String {
    let found = operator.get(v1::GetRequest::default()).await;
    let found = found.expect("they are there").into_inner();
    outrider_documents::join(found.documents.iter().map(|document| &*document.text))
}

fn load(files: &Files) -> outrider_documents::Documents {
    let files = files.iter().map(|(name, text)| (&**name, &**text));
    let loaded = outrider_documents::load(&files.collect::<Vec<_>>());
    loaded.unwrap_or_else(|errors| panic!("{}", errors[0]))
}

async fn check(files: &Files) {
    let data = tempfile::tempdir().expect("a temporary folder");
    let control_plane = ControlPlane::start(ControlPlane::options(data.path())).await;
    let control_plane = control_plane.expect("it starts");
    let mut operator = control_plane.operator().await;
    let first = apply(&mut operator, files).await;
    let printed = get(&mut operator).await;
    let printed_files = vec![("-".to_owned(), printed.clone())];
    assert_eq!(load(&printed_files), load(files), "{printed}");
    let again = apply(&mut operator, &printed_files).await;
    assert_eq!(again.changes, [], "{printed}");
    assert_eq!(again.version, first.version);
    assert_eq!(get(&mut operator).await, printed);
    control_plane.stop().await;
}

#[test]
fn what_get_prints_apply_takes_back() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut runner = TestRunner::new(Config {
        cases: 32,
        ..Config::default()
    });
    let files = written::files(documents::set());
    let checked = runner.run(&files, |files| {
        runtime.block_on(check(&files));
        Ok(())
    });
    checked.unwrap_or_else(|error| panic!("{error}"));
}

/// The paths of all values in a document, as `docs/CONFIG.md` writes them.
fn paths(path: &str, value: &Value, all: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            let dot = if path.is_empty() { "" } else { "." };
            paths(&format!("{path}{dot}{name}"), value, all);
        }),
        Value::Array(items) => {
            all.insert(path.to_owned());
            let path = format!("{path}[]");
            items.iter().for_each(|item| paths(&path, item, all));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    all.insert(path.to_owned());
}

#[test]
fn every_documented_field_is_generated() {
    let mut runner = TestRunner::deterministic();
    let mut generated = BTreeSet::new();
    for _ in 0..200 {
        let set = documents::set().new_tree(&mut runner);
        let set = set.expect("a strategy that rejects nothing").current();
        set.iter()
            .for_each(|document| paths("", document, &mut generated));
    }
    let documented = page::fields();
    let missing: Vec<_> = documented.difference(&generated).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
