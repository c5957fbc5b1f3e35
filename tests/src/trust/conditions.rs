//! When and where something was measured, and of what.

use std::process::Command;

/// `2026-11-21 18:42 UTC at commit 1234567, Linux 6.18, 2 processors`, with the commit as code. A
/// commit to whose code something was added says so.
pub fn now() -> String {
    let changes = said(
        "git",
        &["status", "--porcelain", "-uno", "--", ":/", ":!/docs"],
    );
    let changed = if changes.is_empty() {
        ""
    } else {
        " with changes"
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = said("uname", &["-r"]);
    let kernel: Vec<&str> = kernel.split('.').take(2).collect();
    format!(
        "{} at commit `{}`{changed}, Linux {}, {cores} processors",
        said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        said("git", &["rev-parse", "--short", "HEAD"]),
        kernel.join("."),
    )
}

/// What a program says when it is run where the sources are.
fn said(program: &str, words: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(words).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_default()
}
