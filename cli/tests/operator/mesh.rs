//! A control plane and its operator.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A control plane that ends with its value, and who operates it.
pub struct Mesh {
    pub process: Child,
    pub data: TempDir,
    pub url: String,
}

impl Drop for Mesh {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Mesh {
    pub fn start() -> Mesh {
        Mesh::start_in(tempfile::tempdir().expect("a temporary folder"))
    }

    /// Starts a control plane whose folder may hold a store already.
    pub fn start_in(data: TempDir) -> Mesh {
        let mut process = Command::new(env!("CARGO_BIN_EXE_outrider"))
            .args(["control-plane", "--exit-with-stdin"])
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .arg("--data")
            .arg(data.path())
            // Held by `Child`: when this test dies in any way, the process sees its input end.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("it is piped");
        let read = BufReader::new(stdout).read_line(&mut line);
        read.expect("it is ready");
        let ready: Value = serde_json::from_str(&line).expect("a line of JSON");
        let url = format!("https://{}", ready["listen"].as_str().expect("an address"));
        Mesh { process, data, url }
    }

    /// Ends the control plane as a crash does; the folder stays.
    pub fn stop(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }

    /// Runs `outrider` with these words, as ada.
    pub fn run(&self, words: &[&str]) -> Output {
        let command = Command::new(env!("CARGO_BIN_EXE_outrider"))
            .args(words)
            .env("OUTRIDER_CONTROL_PLANE", &self.url)
            .env("OUTRIDER_CREDENTIAL", self.data.path().join("operator"))
            .env("OUTRIDER_AUTHOR", "ada")
            .output();
        command.expect("the binary starts")
    }

    /// What it prints; it must do it.
    pub fn prints(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let problem = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {problem}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// What it says on standard error; it must fail with this exit code.
    pub fn refuses(&self, exit_code: i32, words: &[&str]) -> String {
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(exit_code), "{words:?}");
        String::from_utf8(output.stderr).expect("text")
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.data.path().join(name);
        std::fs::write(&path, text).expect("a file is written");
        path
    }
}
