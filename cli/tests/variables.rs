//! Environment variables: an empty one is unset, and an error names the one that it is about.

use std::process::{Command, Output};

/// Runs `outrider` with these words and variables; it must not start anything.
fn run(variables: &[(&str, &str)], words: &[&str]) -> Output {
    let command = Command::new(env!("CARGO_BIN_EXE_outrider"))
        .args(words)
        .env_clear()
        .envs(variables.iter().copied())
        .output();
    command.expect("the binary starts")
}

/// What it says on standard error, with exit code 2.
fn refuses(variables: &[(&str, &str)], words: &[&str]) -> String {
    let output = run(variables, words);
    assert_eq!(output.status.code(), Some(2), "{variables:?} {words:?}");
    String::from_utf8(output.stderr).expect("text")
}

const SIDECAR: [&str; 5] = ["sidecar", "--service", "orders", "--documents", "missing"];

#[test]
fn a_log_level_that_is_none_is_refused_with_the_words_that_are() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let data = data.to_str().expect("UTF-8");
    let control_plane = ["control-plane", "--data", data, "--certificate-life", "1"];
    for level in ["warning", "err", "verbose", "2", "info,h2=loud"] {
        for words in [&SIDECAR[..], &control_plane] {
            let said = refuses(&[("OUTRIDER_LOG", level)], words);
            let start = format!("outrider: OUTRIDER_LOG is {level:?}, but");
            assert!(said.starts_with(&start), "{said}");
            let levels = "off, error, warn, info, debug or trace";
            assert!(said.contains(levels), "{said}");
        }
    }
    for level in ["", "WARN", "off", "info,h2=debug"] {
        let said = refuses(&[("OUTRIDER_LOG", level)], &SIDECAR);
        assert!(said.contains("cannot read documents in missing"), "{said}");
    }
}

#[test]
fn an_error_names_the_variable_that_it_is_about() {
    let cases = [
        ("not a number", "OUTRIDER_WORKERS", "many", "--workers"),
        ("out of range", "OUTRIDER_WORKERS", "0", "--workers"),
        (
            "not a choice",
            "OUTRIDER_ACCESS_LOG",
            "some",
            "--access-log",
        ),
        ("not an address", "OUTRIDER_ADMIN", "localhost", "--admin"),
        ("not loopback", "OUTRIDER_ADMIN", "0.0.0.0:0", "--admin"),
        ("not a limit", "OUTRIDER_LIMITS", "resets", "--limits"),
        ("not a URL", "OUTRIDER_OTLP", "http://", "--otlp"),
        ("alone", "OUTRIDER_KEY", "key.pem", "--key"),
        (
            "beside its opposite",
            "OUTRIDER_CONTROL_PLANE",
            "https://a:1",
            "--control-plane",
        ),
    ];
    for (name, variable, value, flag) in cases {
        let said = refuses(&[(variable, value)], &SIDECAR);
        let note = format!("note: {flag} was set by the variable {variable}\n");
        assert_eq!(said.matches(&note).count(), 1, "{name}: {said}");
        let sources = said.matches("was set by").count();
        assert_eq!(sources, 1, "{name}: {said}");
    }
}

#[test]
fn a_flag_that_was_typed_is_not_said_to_be_from_its_variable() {
    for typed in [&["--workers", "200"][..], &["--workers=200"]] {
        let words = [&SIDECAR[..], typed].concat();
        let said = refuses(&[("OUTRIDER_WORKERS", "0")], &words);
        assert!(said.contains("--workers is 200"), "{said}");
        assert!(!said.contains("OUTRIDER_WORKERS"), "{said}");
    }
}

#[test]
fn an_empty_variable_is_unset() {
    let flags = outrider_daemon::FLAGS.iter();
    let variables: Vec<String> = flags.map(|flag| flag.variable()).collect();
    let empty: Vec<(&str, &str)> = variables.iter().map(|name| (&**name, "")).collect();
    assert_eq!(refuses(&empty, &SIDECAR), refuses(&[], &SIDECAR));
    let status = ["status", "--credential", "missing"];
    let url = [("OUTRIDER_CONTROL_PLANE", "")];
    assert_eq!(refuses(&url, &status), refuses(&[], &status));
}

#[test]
fn every_command_of_an_operator_says_how_to_give_it_its_credential() {
    let commands: [&[&str]; 10] = [
        &["apply", "-f", "/dev/null"],
        &["delete", "service", "orders"],
        &["diff", "1"],
        &["events"],
        &["get"],
        &["history"],
        &["rollback", "1"],
        &["rotate", "add"],
        &["status"],
        &["token", "list"],
    ];
    for words in commands {
        for variables in [&[][..], &[("OUTRIDER_CREDENTIAL", "")]] {
            let said = refuses(variables, words);
            let note = "note: --credential can also be set by the variable OUTRIDER_CREDENTIAL\n";
            assert!(said.ends_with(note), "{words:?}: {said}");
        }
        let said = refuses(&[("OUTRIDER_CREDENTIAL", "missing")], words);
        let note = "note: --credential was set by the variable OUTRIDER_CREDENTIAL\n";
        assert!(said.ends_with(note), "{words:?}: {said}");
    }
}
