//! `outrider validate`: which files it reads, what it refuses, and what it warns of.

use std::path::Path;
use std::process::Command;

const SERVICE: &str = "apiVersion: outrider.dev/v1\nkind: Service\nmetadata: { name: orders }\n\
                       spec: { grpcServices: [a.B], endpoints: { static: [ { address: \"10.0.0.1:1\" } ] } }\n";

fn policy(spec: &str) -> String {
    format!(
        "apiVersion: outrider.dev/v1\nkind: TrafficPolicy\nmetadata: {{ name: orders }}\nspec:\n  \
         targetRefs: [ {{ kind: Service, name: orders }} ]\n{spec}"
    )
}

/// Exit code, standard output and standard error of `outrider validate` in a folder.
fn validate(folder: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let command = Command::new(env!("CARGO_BIN_EXE_outrider"))
        .arg("validate")
        .args(words)
        .current_dir(folder)
        .env_remove("OUTRIDER_DOCUMENTS")
        .output();
    let output = command.expect("the binary starts");
    let text = |octets: Vec<u8>| String::from_utf8(octets).expect("text");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder is made");
        std::fs::write(path, text).expect("a file is written");
    }
    folder
}

#[test]
fn files_and_folders_are_one_configuration() {
    let policy = policy("  connectTimeout: 1s\n");
    let json =
        r#"{"apiVersion":"outrider.dev/v1","kind":"Mesh","metadata":{"name":"m"},"spec":{}}"#;
    let folder = folder(&[
        ("one/service.YAML", SERVICE),
        ("one/mesh.Json", json),
        ("one/notes.txt", "no"),
        ("one/.hidden", "no"),
        ("policy.text", &policy),
    ]);
    let cases = [
        (
            &["one", "policy.text"][..],
            "valid: one policy.text; services: 1\n",
        ),
        (
            &["one/service.YAML", "policy.text"],
            "valid: one/service.YAML policy.text; services: 1\n",
        ),
        (&["--documents", "one"], "valid: one; services: 1\n"),
    ];
    for (words, expected) in cases {
        let (code, shown, said) = validate(folder.path(), words);
        assert_eq!((code, &*shown), (Some(0), expected), "{words:?}: {said}");
        let is_folder = words.contains(&"one");
        assert_eq!(
            said.contains("note: one/notes.txt is not read"),
            is_folder,
            "{said}"
        );
        assert_eq!(said.lines().count(), usize::from(is_folder), "{said}");
    }
    let (code, _, said) = validate(folder.path(), &["policy.text"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("there is no Service `orders`"), "{said}");
    let (code, _, said) = validate(folder.path(), &[]);
    assert_eq!(code, Some(2));
    assert!(said.contains("<FILE|DIR>"), "{said}");
}

#[test]
fn a_line_for_all_methods_that_no_method_takes_is_a_warning() {
    const READ: &str = "methods: [ { name: a.B/Get, unary: true, idempotent: true } ]";
    const OWN: &str = "methods: [ { name: a.B/Get, unary: true, timeout: 1s } ]";
    const STREAM: &str = "methods: [ { name: a.B/Watch } ]";
    let cases = [
        ("timeout: 2s", "", Some("`timeout` holds for no method")),
        ("timeout: 2s", READ, None),
        ("timeout: 2s", OWN, Some("`timeout` holds for no method")),
        ("timeout: 2s", STREAM, Some("`timeout` holds for no method")),
        (
            "retry: { perTryTimeout: 1s }",
            STREAM,
            Some("`perTryTimeout` holds for no method"),
        ),
        ("retry: { perTryTimeout: 1s }", READ, None),
        (
            "retry: { on: [ABORTED] }",
            "",
            Some("`on` applies to no method"),
        ),
        (
            "retry: { on: [ABORTED] }",
            OWN,
            Some("`on` applies to no method"),
        ),
        ("retry: { on: [ABORTED] }", READ, None),
        (
            "retry: { on: [ABORTED], attempts: 1 }",
            READ,
            Some("`on` with one attempt"),
        ),
        ("retry: { on: [] }", "", None),
        ("connectTimeout: 1s", "", None),
    ];
    for (line, methods, expected) in cases {
        let policy = policy(&format!("  {line}\n  {methods}\n"));
        let folder = folder(&[("a.yaml", &format!("{SERVICE}---\n{policy}"))]);
        let (code, _, said) = validate(folder.path(), &["a.yaml"]);
        assert_eq!(code, Some(0), "{line} {methods}: {said}");
        let warned = said.starts_with("warning: ") && said.contains("--> a.yaml:11:");
        assert_eq!(warned, expected.is_some(), "{line} {methods}: {said}");
        assert!(
            said.contains(expected.unwrap_or("")),
            "{line} {methods}: {said}"
        );
    }
}
