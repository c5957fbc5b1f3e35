//! Programs of this repository whose words are read: cargo, scripts.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

/// Runs a program in the root of the repository: how it ended, and what it said, which is said on.
pub async fn run(words: &[&str], variables: &[(&str, &str)]) -> (Result<(), String>, String) {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).envs(variables.iter().copied());
    // What was skipped has not passed.
    command.env("OUTRIDER_REQUIRE_TOOLS", "1");
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut said = String::new();
    let ended = async {
        let mut child = command.spawn()?;
        let mut lines = child.stdout.take().map(|out| BufReader::new(out).lines());
        while let Some(lines) = &mut lines
            && let Some(line) = lines.next_line().await?
        {
            eprintln!("{line}");
            said.push_str(&line);
            said.push('\n');
        }
        child.wait().await
    };
    let ended = match ended.await {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{}: {status}", words[0])),
        Err(error) => Err(format!("{}: {error}", words[0])),
    };
    (ended, said)
}
