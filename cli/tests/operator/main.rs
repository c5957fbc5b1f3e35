//! What an operator types, against a real control plane: each command says what it did.

mod backup;
mod credential;
mod mesh;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use mesh::Mesh;

fn service(name: &str) -> String {
    format!(
        "apiVersion: outrider.dev/v1\nkind: Service\nmetadata: {{ name: {name} }}\nspec: {{}}\n"
    )
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The words of each line.
fn words(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines();
    lines
        .map(|line| line.split_whitespace().collect())
        .collect()
}

#[test]
fn documents_are_changed_from_the_command_line() {
    let mesh = Mesh::start();
    let (orders, payments) = (service("orders"), service("payments"));
    let both = mesh.file("both.yaml", &format!("{orders}---\n{payments}"));
    let created = "Service/default/orders created\nService/default/payments created\n";
    let applied = mesh.prints(&["apply", "-f", path(&both)]);
    assert_eq!(applied, format!("{created}version 1\n"));

    let commented = format!("# Ours.\n{orders}");
    let file = mesh.file("orders.yaml", &commented);
    let tried = mesh.prints(&["apply", "-f", path(&file), "--dry-run"]);
    assert_eq!(tried, "Service/default/orders changed (dry run)\n");
    let diff = mesh.prints(&["diff", "-f", path(&file)]);
    let heading =
        "--- Service/default/orders\n+++ Service/default/orders\n@@ -1,3 +1,4 @@\n+# Ours.\n";
    assert!(diff.starts_with(heading), "{diff}");
    mesh.prints(&["apply", "-f", path(&file)]);
    assert_eq!(
        mesh.prints(&["get", "service", "orders", "--output", "yaml"]),
        commented
    );
    let at_first = [
        "get",
        "service",
        "orders",
        "--version",
        "1",
        "--output",
        "yaml",
    ];
    assert_eq!(mesh.prints(&at_first), orders);

    let deleted = mesh.prints(&["delete", "service", "payments"]);
    assert_eq!(deleted, "Service/default/payments deleted\nversion 3\n");
    let listed = mesh.prints(&["get"]);
    let orders_row = ["Service", "default", "orders", "2", "apply"];
    assert_eq!(words(&listed)[1..], [orders_row.to_vec()]);
    mesh.prints(&["rollback", "1", "--author", "bob"]);
    assert_eq!(mesh.prints(&["diff", "1", "4"]), "");
    let history = mesh.prints(&["history", "--limit", "1"]);
    let last = &words(&history)[1];
    assert_eq!(
        (last[0], last[2..6].join(" ")),
        ("4", "bob rollback to 1".to_owned())
    );
    let events = mesh.prints(&["events", "--limit", "1"]);
    assert_eq!(words(&events).len(), 1, "{events}");
}

#[test]
fn a_kind_has_short_names_and_a_misspelt_one_is_an_error_that_says_the_nearest() {
    let mesh = Mesh::start();
    let file = mesh.file("orders.yaml", &service("orders"));
    mesh.prints(&["apply", "-f", path(&file)]);
    for kind in ["svc", "services", "SERVICE"] {
        let shown = mesh.prints(&["get", kind, "orders", "-o", "yaml"]);
        assert_eq!(shown, service("orders"), "{kind}");
    }
    let misspelt: [&[&str]; 3] = [
        &["get", "Servcie"],
        &["get", "servcie", "orders"],
        &["delete", "Servcie", "orders"],
    ];
    for words in misspelt {
        let said = mesh.refuses(2, words);
        assert!(
            said.contains("tip: a similar value exists: 'Service'"),
            "{said}"
        );
    }
    let said = mesh.refuses(2, &["get", "pods"]);
    assert!(
        said.contains("Service, TrafficPolicy, AuthorizationPolicy, GRPCRoute, Mesh"),
        "{said}"
    );
}

#[test]
fn documents_are_deleted_by_the_files_that_they_are_in() {
    let mesh = Mesh::start();
    let both = format!(
        "%YAML 1.2\n---\n{}---\n{}",
        service("orders"),
        service("payments")
    );
    let both = mesh.file("both.yaml", &both);
    mesh.prints(&["apply", "-f", path(&both)]);
    let changed = mesh.file("orders.yaml", &format!("# Ours.\n{}", service("orders")));
    let deleted = mesh.prints(&["delete", "-f", path(&changed)]);
    assert_eq!(deleted, "Service/default/orders deleted\nversion 2\n");
    let said = mesh.refuses(1, &["delete", "-f", path(&both)]);
    assert!(
        said.contains("no document Service/default/orders"),
        "{said}"
    );
    assert_eq!(words(&mesh.prints(&["get"])).len(), 2, "none was deleted");
    let empty = mesh.file("empty.yaml", "# nothing\n");
    let said = mesh.refuses(2, &["delete", "-f", path(&empty)]);
    assert_eq!(said, "outrider: there is no document in the files\n");
    let nameless = mesh.file("nameless.yaml", "kind: Service\n");
    let said = mesh.refuses(2, &["delete", "-f", path(&nameless)]);
    assert!(said.contains("missing field `metadata`"), "{said}");
}

#[test]
fn a_number_that_makes_no_sense_is_refused_with_its_range() {
    let mesh = Mesh::start();
    let cases: [(&[&str], &str); 4] = [
        (
            &["token", "create", "--service", "a", "--life", "0"],
            "1..=31536000",
        ),
        (
            &["token", "create", "--service", "a", "--life", "31536001"],
            "1..=31536000",
        ),
        (&["events", "--limit", "0"], "1.."),
        (&["history", "--limit", "0"], "1.."),
    ];
    for (words, range) in cases {
        let said = mesh.refuses(2, words);
        assert!(said.contains("is not in") && said.contains(range), "{said}");
    }
}

#[test]
fn the_mesh_is_shown() {
    let mesh = Mesh::start();
    let file = mesh.file("orders.yaml", &service("orders"));
    mesh.prints(&["apply", "-f", path(&file)]);
    let status: Value = serde_json::from_str(&mesh.prints(&["status", "--json"])).expect("JSON");
    assert_eq!(status["documents"]["version"], 1);
    let shown = mesh.prints(&["status"]);
    let mut lines = shown.lines();
    assert!(lines.any(|line| line == "services"), "{shown}");
    let row = lines.nth(1).unwrap_or_default();
    assert!(row.trim_start().starts_with("orders"), "{shown}");
}

#[test]
fn a_mesh_that_allows_by_default_says_so_until_it_denies() {
    let mesh = Mesh::start();
    let warning = "authorization.default of the Mesh is `allow`";
    assert!(mesh.prints(&["status"]).contains(warning));
    let text = "apiVersion: outrider.dev/v1\nkind: Mesh\nmetadata: { name: mesh }\n\
                spec: { trustDomain: outrider.local, authorization: { default: deny } }\n";
    let file = mesh.file("mesh.yaml", text);
    mesh.prints(&["apply", "-f", path(&file)]);
    assert!(!mesh.prints(&["status"]).contains(warning));
}

#[test]
fn tokens_are_made_listed_and_revoked_from_the_command_line() {
    let mesh = Mesh::start();
    let token = mesh.prints(&["token", "create", "--service", "orders"]);
    assert!(token.starts_with("outrider1.default.orders."), "{token}");
    let folder = mesh.data.path().join("tokens");
    let two = ["--service", "orders", "--service", "payments"];
    let made = [&["token", "create", "--out", path(&folder)], &two[..]].concat();
    assert_eq!(mesh.prints(&made), "");
    for service in ["orders", "payments"] {
        let file = folder.join(service);
        let text = std::fs::read_to_string(&file).expect("a file for each");
        assert!(text.starts_with(&format!("outrider1.default.{service}.")));
        let mode = file.metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let listed = mesh.prints(&["token", "list"]);
    let listed = words(&listed);
    assert_eq!(listed.len(), 4);
    let id = listed[1][0];
    assert_eq!(mesh.prints(&["token", "revoke", id]), "");
    let listed = mesh.prints(&["token", "list"]);
    let revoked: Vec<_> = words(&listed)[1..]
        .iter()
        .map(|row| row[4] == "yes")
        .collect();
    assert_eq!(revoked, [true, false, false]);
    let usable: Vec<_> = words(&listed)[1..]
        .iter()
        .map(|row| row[6..].join(" "))
        .collect();
    assert_eq!(usable, ["no: revoked", "yes", "yes"]);
    let said = mesh.refuses(1, &["token", "revoke", "00"]);
    assert_eq!(
        said,
        "outrider: there is no token `00`: see `outrider token list`\n"
    );
}

#[test]
fn an_apply_may_prune_and_ask_for_the_version_that_it_changes() {
    let mesh = Mesh::start();
    let (orders, stock) = (service("orders"), service("stock"));
    let both = mesh.file("both.yaml", &format!("{orders}---\n{stock}"));
    let one = mesh.file("one.yaml", &orders);
    let (both, one) = (path(&both), path(&one));
    mesh.prints(&["apply", "-f", both, "--if-version", "0"]);
    let said = mesh.refuses(1, &["apply", "-f", one, "--if-version", "0"]);
    assert!(said.contains("version 1 is in force and not 0"), "{said}");
    let pruned = mesh.prints(&["apply", "-f", one, "--prune", "--if-version", "1"]);
    assert_eq!(pruned, "Service/default/stock deleted\nversion 2\n");
}

#[test]
fn events_are_found_by_kind_service_and_age() {
    let mesh = Mesh::start();
    let file = mesh.file("orders.yaml", &service("orders"));
    mesh.prints(&["apply", "-f", path(&file)]);
    mesh.prints(&["rotate", "add"]);
    let kinds = |asked: &[&str]| {
        let printed = mesh.prints(&[&["events"], asked].concat());
        let kinds = words(&printed).into_iter().map(|words| words[2].to_owned());
        kinds.collect::<Vec<_>>()
    };
    assert_eq!(kinds(&["--since", "10m"]), ["applied", "rotated"]);
    assert_eq!(kinds(&["--kind", "rotated,joined"]), ["rotated"]);
    assert_eq!(kinds(&["--service", "stock"]), [""; 0]);
    assert_eq!(kinds(&["--since", "2100-01-01T00:00:00Z"]), [""; 0]);
    let named = mesh.prints(&["events", "--kind", "applied", "--verbose"]);
    assert!(
        named.contains("\n         Service/default/orders created\n"),
        "{named}"
    );
    let said = mesh.refuses(2, &["events", "--kind", "aplied"]);
    assert!(said.contains("no kind of event `aplied`: "), "{said}");
}

#[test]
fn a_root_is_rotated_from_the_command_line_in_three_steps() {
    let mesh = Mesh::start();
    let added = mesh.prints(&["rotate", "add"]);
    let promoted = mesh.prints(&["rotate", "promote"]);
    let said = mesh.refuses(1, &["rotate", "promote"]);
    assert_eq!(
        said,
        "outrider: a root has been promoted: the next step is retire\n"
    );
    let said = mesh.refuses(1, &["rotate", "retire"]);
    assert!(
        said.starts_with("outrider: the old root is not retired: "),
        "{said}"
    );
    let retired = mesh.prints(&["rotate", "retire", "--force"]);
    let (added, promoted, retired) = (words(&added), words(&promoted), words(&retired));
    assert_eq!(added[0][0], promoted[1][0], "the old root");
    assert_eq!(added[1][0], promoted[0][0], "the new root");
    assert_eq!(retired, [[promoted[0][0], "signs"]]);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the promise is a time")]
fn a_control_plane_ends_within_two_seconds_although_somebody_listens() {
    let mut mesh = Mesh::start();
    let mut follower = Command::new(env!("CARGO_BIN_EXE_outrider"))
        .args(["events", "--follow"])
        .env("OUTRIDER_CONTROL_PLANE", &mesh.url)
        .env("OUTRIDER_CREDENTIAL", mesh.data.path().join("operator"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let stdout = follower.stdout.take().expect("it is piped");
    mesh.prints(&["rotate", "add"]);
    let mut line = String::new();
    let read = BufReader::new(stdout).read_line(&mut line);
    read.expect("it listens");
    let pid = Pid::from_raw(i32::try_from(mesh.process.id()).expect("a pid"));
    let told = Instant::now();
    kill(pid, Signal::SIGTERM).expect("it runs");
    let ended = mesh.process.wait().expect("it ends");
    assert!(ended.success());
    assert!(
        told.elapsed() < Duration::from_secs(2),
        "{:?}",
        told.elapsed()
    );
    follower.wait().expect("it ends too");
}

#[test]
fn what_is_refused_is_said() {
    let mesh = Mesh::start();
    let typo = service("orders").replace("spec", "specs");
    let file = mesh.file("orders.yaml", &typo);
    let said = mesh.refuses(2, &["apply", "-f", path(&file)]);
    assert!(said.contains("error: unknown field `specs`"), "{said}");
    assert!(
        said.contains(&format!("--> {}:4:1\n", path(&file))),
        "{said}"
    );
    let said = mesh.refuses(1, &["rollback", "7"]);
    assert_eq!(said, "outrider: there is no version 7\n");
    let said = mesh.refuses(1, &["delete", "service", "orders"]);
    assert_eq!(
        said,
        "outrider: there is no document Service/default/orders\n"
    );
    let said = mesh.refuses(1, &["get", "service", "orders"]);
    assert_eq!(said, "outrider: there is no Service orders\n");
}

#[test]
fn authorization_is_checked_with_the_documents_in_force() {
    const POLICY: &str = "apiVersion: outrider.dev/v1\nkind: AuthorizationPolicy\n\
                          metadata: { name: nobody }\n\
                          spec: { targetRefs: [ { kind: Service, name: orders } ] }\n";
    let mesh = Mesh::start();
    let call = [
        "authz",
        "check",
        "--from",
        "spiffe://outrider.local/ns/default/svc/cart",
        "--to",
        "orders/shop.v1.Orders/Get",
    ];
    let file = mesh.file("orders.yaml", &service("orders"));
    mesh.prints(&["apply", "-f", path(&file)]);
    assert!(mesh.prints(&call).starts_with("allowed: "));

    let file = mesh.file("nobody.yaml", POLICY);
    mesh.prints(&["apply", "-f", path(&file)]);
    let denied = mesh.run(&call);
    assert_eq!(denied.status.code(), Some(1));
    let shown = String::from_utf8(denied.stdout).expect("text");
    assert!(
        shown.contains(" --> AuthorizationPolicy/default/nobody:3:19"),
        "{shown}"
    );
    assert_eq!(
        mesh.prints(&["get", "authz", "nobody", "-o", "yaml"]),
        POLICY
    );
}
