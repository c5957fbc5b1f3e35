//! A backup of a running control plane is restored into another folder.

use std::os::unix::fs::PermissionsExt;

use crate::mesh::Mesh;
use crate::{path, service, words};

#[test]
fn a_backup_brings_documents_and_tokens_into_a_fresh_folder() {
    let mut mesh = Mesh::start();
    let orders = mesh.file("orders.yaml", &service("orders"));
    mesh.prints(&["apply", "-f", path(&orders)]);
    mesh.prints(&["token", "create", "--service", "orders"]);
    let tokens = mesh.prints(&["token", "list"]);
    let files = tempfile::tempdir().expect("a temporary folder");
    let file = files.path().join("backup");
    let said = mesh.prints(&["backup", path(&file)]);
    assert!(said.contains("the keys of the authority"), "{said}");
    let mode = file.metadata().expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // A change after the backup is not in it.
    mesh.prints(&["delete", "service", "orders"]);

    let fresh = tempfile::tempdir().expect("a temporary folder");
    mesh.stop();
    let restored = mesh.prints(&["restore", path(&file), "--data", path(fresh.path())]);
    assert!(restored.contains("start the control plane"), "{restored}");
    let mesh = Mesh::start_in(fresh);
    let shown = mesh.prints(&["get", "service", "orders", "-o", "yaml"]);
    assert_eq!(shown, service("orders"));
    assert_eq!(ids(&mesh.prints(&["token", "list"])), ids(&tokens));
}

/// The first word of each row: the tokens' identifiers.
fn ids(listed: &str) -> Vec<&str> {
    let rows = words(listed).into_iter().skip(1);
    rows.map(|row| row[0]).collect()
}

#[test]
fn a_backup_and_a_restore_overwrite_nothing() {
    let mut mesh = Mesh::start();
    let file = mesh.file("backup", "mine");
    let said = mesh.refuses(1, &["backup", path(&file)]);
    assert!(said.contains("File exists"), "{said}");
    let kept = std::fs::read_to_string(&file).expect("it is there");
    assert_eq!(kept, "mine");

    let file = mesh.data.path().join("second");
    mesh.prints(&["backup", path(&file)]);
    let data = mesh.data.path().to_owned();
    let restore = ["restore", path(&file), "--data", path(&data)];
    let said = mesh.refuses(1, &restore);
    assert!(said.contains("stop the control plane first"), "{said}");
    mesh.stop();
    let said = mesh.refuses(1, &restore);
    assert!(said.contains("nothing is changed"), "{said}");
}
