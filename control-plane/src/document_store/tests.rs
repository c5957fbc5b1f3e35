//! The document store over a real store and a real folder: what is acknowledged stays, what is refused
//! changes nothing.

mod apply_options;

use std::path::Path;
use std::sync::Arc;

use outrider_documents::DocumentName;
use outrider_host::Rereads;
use tokio::task::JoinHandle;

use super::{
    Applied, ApplyOptions, Desired, DocumentChange, DocumentStore, DocumentStoreError,
    DocumentStoreInputs, Refusal, Source,
};
use crate::storage::journal::{Event, EventKind, Journal};
use crate::storage::store::Store;

fn service(name: &str) -> String {
    format!(
        "apiVersion: outrider.dev/v1\nkind: Service\nmetadata: {{ name: {name} }}\nspec: {{}}\n"
    )
}

fn name(service: &str) -> DocumentName {
    DocumentName {
        kind: "Service".to_owned(),
        namespace: "default".to_owned(),
        name: service.to_owned(),
    }
}

fn file(name: &str, text: &str) -> Vec<(String, String)> {
    vec![(name.to_owned(), text.to_owned())]
}

fn opening(data: &Path, folder: Option<&Path>) -> DocumentStoreInputs {
    let store = Store::open(data).expect("a store");
    DocumentStoreInputs {
        journal: Journal::open(&store).expect("a journal"),
        store,
        folder: folder.map(Path::to_owned),
        trust_domain: None,
    }
}

fn open(data: &Path, folder: Option<&Path>) -> DocumentStore {
    DocumentStore::open(opening(data, folder)).expect("the store opens")
}

/// Written aside and renamed, as editors do.
fn put(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(".new"), text).expect("a file is written");
    std::fs::rename(folder.join(".new"), folder.join(name)).expect("a file is renamed");
}

fn services(store: &DocumentStore) -> (u64, Vec<String>) {
    let desired = store.desired().borrow().clone();
    let names = desired.documents.service_names().map(str::to_owned);
    (desired.version, names.collect())
}

async fn apply(store: &DocumentStore, service_name: &str) -> Applied {
    let files = file("f.yaml", &service(service_name));
    store
        .apply(files, "ada", ApplyOptions::default())
        .await
        .expect("it is right")
}

fn refusal<T: std::fmt::Debug>(outcome: Result<T, DocumentStoreError>) -> Refusal {
    match outcome.expect_err("it is refused") {
        DocumentStoreError::Refused(refusal) => refusal,
        error @ (DocumentStoreError::Store(_) | DocumentStoreError::Ended(_)) => panic!("{error}"),
    }
}

fn follow(store: &DocumentStore) -> JoinHandle<()> {
    let store = store.clone();
    tokio::spawn(async move { store.follow_folder(Rereads::never()).await })
}

#[tokio::test]
async fn what_was_applied_is_in_force_and_is_there_after_a_restart() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let store = open(data.path(), None);
    assert_eq!(services(&store), (0, vec![]));
    assert_eq!(apply(&store, "orders").await.version, 1);
    assert_eq!(apply(&store, "payments").await.version, 2);
    let both = (2, vec!["orders".to_owned(), "payments".to_owned()]);
    assert_eq!(services(&store), both);
    let before = store.documents(None).await.expect("they are there");
    drop(store);
    let store = open(data.path(), None);
    assert_eq!(services(&store), both);
    assert_eq!(store.documents(None).await.expect("they are there"), before);
    let history = store.history(10).await.expect("it is kept");
    let told = history.iter().map(|v| (v.version, &*v.author, &*v.cause));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [(2, "ada", "apply"), (1, "ada", "apply")]
    );
    assert_eq!(history[0].changed, [name("payments")]);
}

#[tokio::test]
async fn what_changes_nothing_makes_no_version() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let store = open(data.path(), None);
    apply(&store, "orders").await;
    let again = apply(&store, "orders").await;
    assert_eq!((again.version, again.changed), (1, vec![]));
    let files = file("f.yaml", &service("payments"));
    let checked = store
        .check(files, ApplyOptions::default())
        .await
        .expect("it is right");
    assert_eq!((checked.version, checked.changed.len()), (1, 1));
    assert_eq!(services(&store), (1, vec!["orders".to_owned()]));
}

#[tokio::test]
async fn a_refused_set_changes_nothing_and_says_where() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let store = open(data.path(), None);
    let mut events = store.journal.follow();
    let files = [
        ("good.yaml".to_owned(), service("orders")),
        (
            "bad.yaml".to_owned(),
            service("payments").replace("spec", "specs"),
        ),
    ];
    let Refusal::Documents(errors) = refusal(
        store
            .apply(files.to_vec(), "ada", ApplyOptions::default())
            .await,
    ) else {
        panic!("the documents are wrong");
    };
    assert_eq!((&*errors[0].file, errors[0].line), ("bad.yaml", 4));
    assert_eq!(services(&store), (0, vec![]));
    assert_eq!(store.history(10).await.expect("it is kept"), []);
    let Event { kind, subject, .. } = events.recv().await.expect("it is told");
    assert_eq!((kind, &*subject), (EventKind::Rejected, "apply by ada"));
}

/// A service that claims a gRPC service which others claim too.
fn claiming(name: &str) -> String {
    service(name).replace("{}", "{ grpcServices: [shop.v1.Orders] }")
}

#[tokio::test]
async fn of_two_that_clash_the_one_that_came_last_is_refused() {
    let cases = [("orders", "before"), ("before", "orders")];
    for (first, last) in cases {
        let data = tempfile::tempdir().expect("a temporary folder");
        let store = open(data.path(), None);
        let kept = store
            .apply(
                file("a.yaml", &claiming(first)),
                "ada",
                ApplyOptions::default(),
            )
            .await;
        kept.expect("it is right");
        let refused = store
            .apply(
                file("z.yaml", &claiming(last)),
                "ada",
                ApplyOptions::default(),
            )
            .await;
        let Refusal::Documents(errors) = refusal(refused) else {
            panic!("they clash");
        };
        assert_eq!(&*errors[0].file, "z.yaml", "{errors:?}");
        assert!(errors[0].message.contains(first), "{errors:?}");
    }
}

#[tokio::test]
async fn of_two_files_of_a_folder_that_clash_the_one_that_came_last_is_refused() {
    let [data, folder] = [(); 2].map(|()| tempfile::tempdir().expect("a temporary folder"));
    put(folder.path(), "z.yaml", &claiming("orders"));
    drop(open(data.path(), Some(folder.path())));
    put(folder.path(), "a.yaml", &claiming("payments"));
    let store = open(data.path(), Some(folder.path()));
    let refused = store.folder_refused.borrow().clone();
    let Some(Refusal::Documents(errors)) = refused else {
        panic!("they clash");
    };
    assert_eq!(&*errors[0].file, "a.yaml", "{errors:?}");
}

#[tokio::test]
async fn a_document_of_the_folder_may_be_applied_as_it_is() {
    let [data, folder] = [(); 2].map(|()| tempfile::tempdir().expect("a temporary folder"));
    put(folder.path(), "a.yaml", &service("orders"));
    let store = open(data.path(), Some(folder.path()));
    let again = apply(&store, "orders").await;
    assert_eq!((again.version, again.changed), (1, vec![]));
    let set = store.documents(None).await.expect("they are there");
    let source = &set.documents[&name("orders")].source;
    assert_eq!(source.file(), Some("a.yaml"));
}

#[tokio::test]
async fn a_document_that_another_needs_cannot_go() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let store = open(data.path(), None);
    let policy = "apiVersion: outrider.dev/v1\nkind: TrafficPolicy\nmetadata: { name: orders }\n\
                  spec:\n  targetRefs: [ { kind: Service, name: orders } ]\n";
    let text = format!("{}---\n{policy}", service("orders"));
    let applied = store
        .apply(file("f.yaml", &text), "ada", ApplyOptions::default())
        .await;
    assert_eq!(applied.expect("it is right").changed.len(), 2);
    let refused = refusal(store.delete(vec![name("orders")], "ada").await);
    let expected = "Service/default/orders cannot be deleted, because it is in use by \
                    TrafficPolicy/default/orders (line 5): change or delete that first";
    assert_eq!(refused.to_string(), expected);
}

#[tokio::test]
async fn any_version_comes_back_as_a_new_one() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let store = open(data.path(), None);
    apply(&store, "orders").await;
    apply(&store, "payments").await;
    store
        .delete(vec![name("orders")], "ada")
        .await
        .expect("it ends");
    assert_eq!(services(&store), (3, vec!["payments".to_owned()]));
    let back = store.rollback(1, "bob").await.expect("it was right");
    assert_eq!((back.version, back.changed.len()), (4, 2));
    assert_eq!(services(&store), (4, vec!["orders".to_owned()]));
    let changed = store.diff(3, None).await.expect("both were there");
    let ended = |changed: &DocumentChange| (changed.name.name.clone(), changed.after.is_none());
    let expected = [("orders".to_owned(), false), ("payments".to_owned(), true)];
    assert_eq!(changed.iter().map(ended).collect::<Vec<_>>(), expected);
    assert_eq!(store.diff(1, Some(4)).await.expect("both were there"), []);
    assert_eq!(
        refusal(store.rollback(5, "bob").await),
        Refusal::NoVersion(5)
    );
    let unknown = refusal(store.delete(vec![name("payments")], "bob").await);
    assert_eq!(unknown, Refusal::NoDocument(name("payments")));
}

#[tokio::test]
async fn a_document_is_of_the_folder_or_applied_but_not_both() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let folder = tempfile::tempdir().expect("a temporary folder");
    put(folder.path(), "orders.yaml", &service("orders"));
    let store = open(data.path(), Some(folder.path()));
    assert_eq!(services(&store), (1, vec!["orders".to_owned()]));
    let text = format!("# Mine.\n{}", service("orders"));
    let Refusal::Documents(errors) = refusal(
        store
            .apply(file("f.yaml", &text), "ada", ApplyOptions::default())
            .await,
    ) else {
        panic!("it is the folder's");
    };
    let place = (errors.len(), errors[0].line, errors[0].column);
    assert_eq!(place, (1, 4, 19));
    let message = "Service/default/orders is in orders.yaml of the watched folder: change it there";
    assert_eq!(errors[0].message, message);
    let in_folder = Refusal::InFolder {
        document: name("orders"),
        file: "orders.yaml".to_owned(),
    };
    assert_eq!(
        refusal(store.delete(vec![name("orders")], "ada").await),
        in_folder
    );
    assert_eq!(refusal(store.rollback(0, "ada").await), in_folder);
}

#[tokio::test]
async fn the_folder_is_followed_and_its_mistakes_are_shown() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let folder = tempfile::tempdir().expect("a temporary folder");
    put(folder.path(), "orders.yaml", &service("orders"));
    let store = open(data.path(), Some(folder.path()));
    apply(&store, "payments").await;
    let (mut desired, mut refused) = (store.desired(), store.folder_refused.subscribe());
    let following = follow(&store);
    put(folder.path(), "more.yaml", &service("stock"));
    desired.changed().await.expect("it changes");
    assert_eq!(services(&store).1, ["orders", "payments", "stock"]);
    let last = store.history(1).await.expect("it is kept");
    assert_eq!((&*last[0].author, &*last[0].cause), ("folder", "folder"));
    put(folder.path(), "more.yaml", &service("payments"));
    let is_shown = |refusal: &Option<Refusal>| refusal.is_some();
    refused
        .wait_for(is_shown)
        .await
        .expect("the store is there");
    let shown = store.status().folder_refused.expect("it is refused");
    assert!(shown.contains("was applied (version 2)"), "{shown}");
    assert_eq!(services(&store).1, ["orders", "payments", "stock"]);
    std::fs::remove_file(folder.path().join("more.yaml")).expect("it was there");
    refused
        .wait_for(Option::is_none)
        .await
        .expect("the store is there");
    assert_eq!(services(&store).1, ["orders", "payments"]);
    put(folder.path(), "none.yaml", "# Nothing any more.\n");
    std::fs::remove_file(folder.path().join("orders.yaml")).expect("it was there");
    let only_applied = |now: &Arc<Desired>| now.documents.service_names().eq(["payments"]);
    desired
        .wait_for(only_applied)
        .await
        .expect("the store is there");
    following.abort();
}

#[tokio::test]
async fn a_bad_folder_at_the_start_leaves_the_last_good_set_in_force() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let folder = tempfile::tempdir().expect("a temporary folder");
    put(folder.path(), "orders.yaml", &service("orders"));
    drop(open(data.path(), Some(folder.path())));
    for (rule, text) in [("broken", "kind: ["), ("emptied", "# Nothing.\n")] {
        put(folder.path(), "orders.yaml", text);
        let store = open(data.path(), Some(folder.path()));
        assert_eq!(services(&store), (1, vec!["orders".to_owned()]), "{rule}");
        assert!(store.status().folder_refused.is_some(), "{rule}");
    }
    let store = open(data.path(), None);
    let set = store.documents(None).await.expect("they are there");
    assert_eq!(set.documents[&name("orders")].source, Source::Applied);
}

#[test]
fn a_bad_folder_at_the_first_start_is_no_start() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let folder = tempfile::tempdir().expect("a temporary folder");
    put(folder.path(), "orders.yaml", "kind: [");
    let outcome = DocumentStore::open(opening(data.path(), Some(folder.path())));
    assert!(matches!(refusal(outcome), Refusal::Documents(_)));
}

#[tokio::test]
async fn the_trust_domain_stays() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let store = open(data.path(), None);
    let mesh = "apiVersion: outrider.dev/v1\nkind: Mesh\nmetadata: { name: mesh }\n\
                spec: { trustDomain: other.local }\n";
    let expected = Refusal::TrustDomain {
        in_force: "outrider.local".to_owned(),
        wanted: "other.local".to_owned(),
    };
    assert_eq!(
        refusal(
            store
                .apply(file("f.yaml", mesh), "ada", ApplyOptions::default())
                .await
        ),
        expected
    );
}

#[tokio::test]
async fn a_change_whose_caller_goes_away_is_whole() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let store = open(data.path(), None);
    let mut desired = store.desired();
    // Holds the change up until its caller is gone.
    let writing = store.versions.clone();
    let (gone, is_gone) = std::sync::mpsc::channel::<()>();
    let (held, is_held) = tokio::sync::oneshot::channel();
    let holder = tokio::task::spawn_blocking(move || {
        writing.hold(|| {
            held.send(()).expect("the test waits");
            is_gone.recv().expect("the test says so");
        });
    });
    is_held.await.expect("the store is held");
    let files = file("f.yaml", &service("orders"));
    let caller = tokio::spawn({
        let store = store.clone();
        async move { store.apply(files, "ada", ApplyOptions::default()).await }
    });
    // The change has begun once the set is taken.
    while store.set.try_lock().is_ok() {
        tokio::task::yield_now().await;
    }
    caller.abort();
    gone.send(()).expect("the store is held");
    holder.await.expect("the holder ends");
    desired.changed().await.expect("the change is published");
    assert_eq!(store.history(10).await.expect("it is kept").len(), 1);
    assert_eq!(services(&store), (1, vec!["orders".to_owned()]));
}
