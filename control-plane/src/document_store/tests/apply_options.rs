//! What an apply may ask beside its documents.

use super::*;

fn options(id: &str) -> ApplyOptions {
    ApplyOptions {
        id: id.to_owned(),
        ..ApplyOptions::default()
    }
}

#[tokio::test]
async fn a_repeated_apply_is_answered_as_the_first_was_after_a_restart_too() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let files = || file("f.yaml", &service("orders"));
    let store = open(data.path(), None);
    let first = store
        .apply(files(), "ada", options("a"))
        .await
        .expect("new");
    assert_eq!(first.version, 1);
    apply(&store, "stock").await;
    drop(store);
    let store = open(data.path(), None);
    let again = store.apply(files(), "ada", options("a")).await;
    assert_eq!(again.expect("known"), first);
    assert_eq!(store.status().version, 2);
    let other = store.apply(file("f.yaml", &service("pay")), "ada", options("a"));
    assert!(matches!(
        refusal(other.await),
        Refusal::UsedId { version: 1, .. }
    ));
    let long = store.apply(files(), "ada", options(&"x".repeat(65)));
    assert_eq!(refusal(long.await), Refusal::LongId);
}

#[tokio::test]
async fn an_apply_may_ask_for_the_version_that_it_changes() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let store = open(data.path(), None);
    let at = |version| ApplyOptions {
        if_version: Some(version),
        ..ApplyOptions::default()
    };
    let files = || file("f.yaml", &service("orders"));
    assert_eq!(
        store
            .apply(files(), "ada", at(0))
            .await
            .expect("it is")
            .version,
        1
    );
    let wanted = Refusal::OtherVersion {
        wanted: 0,
        in_force: 1,
    };
    assert_eq!(refusal(store.apply(files(), "ada", at(0)).await), wanted);
    assert_eq!(refusal(store.check(files(), at(0)).await), wanted);
}

#[tokio::test]
async fn a_pruning_apply_ends_what_was_applied_and_leaves_the_folder() {
    let (data, folder) = (tempfile::tempdir(), tempfile::tempdir());
    let (data, folder) = (data.expect("a folder"), folder.expect("a folder"));
    put(folder.path(), "pay.yaml", &service("pay"));
    let store = open(data.path(), Some(folder.path()));
    apply(&store, "orders").await;
    apply(&store, "stock").await;
    let prune = || ApplyOptions {
        prune: true,
        ..ApplyOptions::default()
    };
    let blank = store.apply(file("f.yaml", "# nothing\n"), "ada", prune());
    assert_eq!(refusal(blank.await), Refusal::NothingStays);
    let applied = store.apply(file("f.yaml", &service("stock")), "ada", prune());
    let changed = applied.await.expect("it is right").changed;
    let changed: Vec<String> = changed
        .iter()
        .map(|it| format!("{} {}", it.name, it.word()))
        .collect();
    assert_eq!(changed, ["Service/default/orders deleted"]);
    assert_eq!(services(&store).1, ["pay", "stock"]);
}

#[tokio::test]
async fn a_large_change_is_counted_in_its_event() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let opening = opening(data.path(), None);
    let mut events = opening.journal.follow();
    let store = DocumentStore::open(opening).expect("the store opens");
    let texts: Vec<String> = (0..900)
        .map(|number| service(&format!("s{number}")))
        .collect();
    let applied = store.apply(
        file("f.yaml", &texts.join("---\n")),
        "ada",
        ApplyOptions::default(),
    );
    applied.await.expect("it is right");
    let event = events.recv().await.expect("it is told");
    assert_eq!(event.detail, "apply by ada: 900 documents: 900 created");
}
