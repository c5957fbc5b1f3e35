//! The control plane keeps documents: what it takes is in force, has a version and can be brought
//! back; what it refuses changes nothing; a restart changes nothing either.

use std::path::Path;

use outrider_proto::v1;
use outrider_proto::v1::operator_client::OperatorClient;
use outrider_tests::{ControlPlane, write_document};
use tempfile::TempDir;
use tonic::transport::Channel;
use tonic::{Code, Status};

/// A control plane and its operator.
struct Mesh {
    control_plane: ControlPlane,
    operator: OperatorClient<Channel>,
}

impl Mesh {
    async fn start(data: &TempDir, documents: Option<&Path>) -> Mesh {
        let mut options = ControlPlane::options(data.path());
        options.documents = documents.map(Path::to_owned);
        let control_plane = ControlPlane::start(options).await.expect("it starts");
        let operator = control_plane.operator().await;
        Mesh {
            control_plane,
            operator,
        }
    }

    async fn apply(&mut self, files: &[(&str, &str)]) -> Result<v1::Applied, Status> {
        self.send(files, false).await
    }

    async fn send(&mut self, files: &[(&str, &str)], dry_run: bool) -> Result<v1::Applied, Status> {
        let files = files.iter().map(|(name, text)| v1::DocumentFile {
            name: (*name).to_owned(),
            text: (*text).to_owned(),
        });
        let request = v1::ApplyRequest {
            files: files.collect(),
            author: "ada".to_owned(),
            dry_run,
            ..v1::ApplyRequest::default()
        };
        Ok(self.operator.apply(request).await?.into_inner())
    }

    async fn delete(&mut self, document: v1::DocumentName) -> Result<v1::Applied, Status> {
        let request = v1::DeleteRequest {
            documents: vec![document],
            author: "ada".to_owned(),
        };
        Ok(self.operator.delete(request).await?.into_inner())
    }

    async fn rollback(&mut self, version: u64) -> Result<v1::Applied, Status> {
        let author = "bob".to_owned();
        let request = v1::RollbackRequest { version, author };
        Ok(self.operator.rollback(request).await?.into_inner())
    }

    /// The documents at a version, 0 for now: name, text, source.
    async fn texts(&mut self, version: u64) -> Vec<(String, String, String)> {
        let document = None;
        let request = v1::GetRequest { document, version };
        let found = self.operator.get(request).await.expect("they are there");
        let documents = found.into_inner().documents.into_iter();
        let shown = documents.map(|stored| {
            let name = stored.document.expect("it has a name").name;
            (name, stored.text, stored.source)
        });
        shown.collect()
    }

    async fn names(&mut self) -> Vec<String> {
        let texts = self.texts(0).await.into_iter();
        texts.map(|(name, _, _)| name).collect()
    }

    /// Version, author and cause, newest first.
    async fn history(&mut self) -> Vec<(u64, String, String)> {
        let request = v1::HistoryRequest { limit: 0 };
        let history = self.operator.history(request).await.expect("it is kept");
        let versions = history.into_inner().versions.into_iter();
        let told = versions.map(|version| (version.version, version.author, version.cause));
        told.collect()
    }

    /// Kind and subject of the first events; waits until there are so many, because whoever
    /// records one does not wait until it is written.
    async fn events(&mut self, count: usize) -> Vec<(String, String)> {
        let request = v1::EventsRequest {
            follow: true,
            limit: 0,
            ..v1::EventsRequest::default()
        };
        let events = self.operator.events(request).await.expect("it is kept");
        let (mut events, mut told) = (events.into_inner(), Vec::new());
        while told.len() < count {
            let event = events.message().await.expect("it is kept");
            told.extend(event.map(|event| (event.kind, event.subject)));
        }
        told
    }
}

fn service(name: &str) -> String {
    format!(
        "apiVersion: outrider.dev/v1\nkind: Service\nmetadata: {{ name: {name} }}\nspec: {{}}\n"
    )
}

fn named(name: &str) -> v1::DocumentName {
    v1::DocumentName {
        kind: "Service".to_owned(),
        namespace: "default".to_owned(),
        name: name.to_owned(),
    }
}

fn history(entries: &[(u64, &str, &str)]) -> Vec<(u64, String, String)> {
    let entries = entries.iter();
    let owned = entries.map(|(version, author, cause)| {
        let (author, cause) = (String::from(*author), String::from(*cause));
        (*version, author, cause)
    });
    owned.collect()
}

fn code<T: std::fmt::Debug>(outcome: Result<T, Status>) -> Code {
    outcome.expect_err("it is refused").code()
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_made_kept_and_brought_back() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let mut mesh = Mesh::start(&data, None).await;
    let (orders, payments) = (service("orders"), service("payments"));
    let commented = format!("# Ours.\n{orders}");
    let both = format!("{orders}---\n{payments}");
    let first = mesh.apply(&[("f.yaml", &both)]).await.expect("it is right");
    assert_eq!((first.version, first.changes.len()), (1, 2));
    let again = mesh.apply(&[("f.yaml", &both)]).await.expect("it is right");
    assert_eq!((again.version, again.changes.len()), (1, 0));
    let second = mesh.apply(&[("o.yaml", &commented)]).await;
    assert_eq!(second.expect("it is right").version, 2);
    mesh.delete(named("payments")).await.expect("it ends");
    assert_eq!(mesh.names().await, ["orders"]);
    assert_eq!(mesh.rollback(1).await.expect("it was right").version, 4);

    // The process ends; nothing else does.
    mesh.control_plane.stop().await;
    let mut mesh = Mesh::start(&data, None).await;
    let applied = |name: &str, text: &str| (name.to_owned(), text.to_owned(), "apply".to_owned());
    let first = [applied("orders", &orders), applied("payments", &payments)];
    assert_eq!(mesh.texts(0).await, first);
    assert_eq!(mesh.texts(1).await, first);
    assert_eq!(mesh.texts(3).await, [applied("orders", &commented)]);
    let expected = history(&[
        (4, "bob", "rollback to 1"),
        (3, "ada", "delete"),
        (2, "ada", "apply"),
        (1, "ada", "apply"),
    ]);
    assert_eq!(mesh.history().await, expected);
    let subjects = ["version 1", "version 2", "version 3", "version 4"];
    let expected = subjects.map(|subject| ("applied".to_owned(), subject.to_owned()));
    assert_eq!(mesh.events(4).await, expected);

    let request = v1::DiffRequest {
        from_version: 3,
        to_version: 0,
    };
    let diff = mesh.operator.diff(request).await.expect("both were there");
    let changes = diff.into_inner().changes;
    let sides: Vec<_> = changes.iter().map(|c| (&*c.before, &*c.after)).collect();
    assert_eq!(sides, [(&*commented, &*orders), ("", &*payments)]);
    assert_eq!(code(mesh.rollback(5).await), Code::NotFound);
    assert_eq!(code(mesh.delete(named("stock")).await), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_set_changes_nothing_and_says_where() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let mut mesh = Mesh::start(&data, None).await;
    let (orders, typo) = (
        service("orders"),
        service("payments").replace("spec", "specs"),
    );
    let files = [("orders.yaml", &*orders), ("mesh/payments.yaml", &*typo)];
    let status = mesh.apply(&files).await.expect_err("it is wrong");
    assert_eq!(status.code(), Code::InvalidArgument);
    let place = "\n --> mesh/payments.yaml:4:1\n";
    assert!(status.message().contains(place), "{}", status.message());
    assert_eq!(mesh.names().await, [""; 0]);
    assert_eq!(mesh.history().await, []);
    let tried = mesh.send(&[("orders.yaml", &orders)], true).await;
    let tried = tried.expect("it is right");
    assert_eq!((tried.version, tried.changes.len()), (0, 1));
    assert_eq!(mesh.names().await, [""; 0]);
    let refused = (
        "rejected".to_owned(),
        "apply by ada from 127.0.0.1".to_owned(),
    );
    assert_eq!(mesh.events(1).await, [refused]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_folder_and_the_operator_keep_out_of_each_others_documents() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_document(folder.path(), "orders.yaml", &service("orders"));
    let mut mesh = Mesh::start(&data, Some(folder.path())).await;
    let mine = format!("# Mine.\n{}", service("orders"));
    let status = mesh.apply(&[("mine.yaml", &mine)]).await;
    let status = status.expect_err("it is the folder's");
    assert_eq!(status.code(), Code::InvalidArgument);
    let sentence = "error: Service/default/orders is in orders.yaml of the watched folder: \
                    change it there\n --> mine.yaml:4:19\n";
    assert!(
        status.message().starts_with(sentence),
        "{}",
        status.message()
    );
    let deleted = mesh.delete(named("orders")).await;
    assert_eq!(code(deleted), Code::FailedPrecondition);
    let payments = mesh.apply(&[("payments.yaml", &service("payments"))]).await;
    assert_eq!(payments.expect("it is right").version, 2);

    // A folder that went bad while nobody looked: what was good stays in force.
    mesh.control_plane.stop().await;
    write_document(folder.path(), "orders.yaml", "kind: [");
    let mut mesh = Mesh::start(&data, Some(folder.path())).await;
    assert_eq!(mesh.names().await, ["orders", "payments"]);
    let kinds = mesh.events(5).await.into_iter().map(|(kind, _)| kind);
    let expected = ["applied", "rejected", "rejected", "applied", "rejected"];
    assert!(
        kinds.eq(expected),
        "the folder, two refusals, payments, the folder"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_the_events_is_told_and_does_not_keep_the_process() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let mut mesh = Mesh::start(&data, None).await;
    let request = v1::EventsRequest {
        follow: true,
        limit: 0,
        ..v1::EventsRequest::default()
    };
    let events = mesh.operator.events(request).await.expect("it is taken");
    let mut events = events.into_inner();
    let orders = mesh.apply(&[("f.yaml", &service("orders"))]).await;
    orders.expect("it is right");
    let event = events.message().await.expect("it is told");
    let event = event.expect("it is told");
    assert_eq!((event.number, &*event.kind), (1, "applied"));
    assert_eq!(
        event.detail,
        "apply by ada from 127.0.0.1: Service/default/orders"
    );
    mesh.control_plane.stop().await;
    assert!(matches!(events.message().await, Ok(None) | Err(_)));
}
