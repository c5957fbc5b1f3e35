//! What the README says by hand, typed word for word into three terminals: the calls succeed.
//!
//! The blocks come from README.md. Its ports are fixed, so this test runs itself again in a network
//! and a process space of its own, which end with it. `cargo build` finds the program built.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use outrider_tests::tools;

const README: &str = include_str!("../../README.md");

/// Set where the test runs in a network of its own.
const INSIDE: &str = "README_INSIDE";

/// Longest wait for a line. Reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a terminal prints when the block is done.
const DONE: &str = "@@ done";

/// What a terminal prints before the name of a command that failed.
const FAILED: &str = "@@ failed";

#[test]
fn what_is_typed_by_hand_works() {
    if std::env::var_os(INSIDE).is_some() {
        type_by_hand();
    } else if let Some(mut unshare) = own_network() {
        let test = std::env::current_exe().expect("this program");
        let run = unshare
            .arg(test)
            .args(["--exact", "what_is_typed_by_hand_works", "--nocapture"])
            .env(INSIDE, "1")
            .output()
            .expect("it starts");
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{said}");
    }
}

/// `unshare` with what this machine allows; `None`, said, where it allows nothing.
fn own_network() -> Option<Command> {
    if tools::find("ip").is_none() {
        tools::missing("ip");
        return None;
    }
    let spaces = [
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ];
    for user in [&[][..], &["--user", "--map-root-user"]] {
        let unshare = || {
            let mut command = Command::new("unshare");
            command.args(user).args(spaces);
            command
        };
        let tried = unshare().arg("true").output();
        if tried.is_ok_and(|tried| tried.status.success()) {
            return Some(unshare());
        }
    }
    tools::skip("no network namespace can be made here: what the README says by hand is not typed");
    None
}

fn type_by_hand() {
    let up = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status();
    assert!(up.expect("ip is there").success());
    let home = tempfile::tempdir().expect("a temporary folder");
    let bin = home.path().join("bin");
    make_home(home.path(), &bin);
    let mut terminals: Vec<Terminal> = (0..3).map(|_| Terminal::open(home.path(), &bin)).collect();
    for heading in ["## One sidecar, by hand\n", "## A mesh, by hand\n"] {
        let section = section(heading);
        let steps = steps(section);
        let order: Vec<usize> = steps.iter().map(|step| step.terminal).collect();
        assert_eq!(order, [0, 1, 2], "{heading}");
        for step in &steps {
            terminals[step.terminal].enter(step.text);
        }
        let shown = terminals[2].until(DONE);
        let (_, promised) = section.split_once("\n```text\n").expect("what is printed");
        let (promised, _) = promised.split_once("```").expect("a block has an end");
        assert!(
            shown.contains(promised),
            "{heading}: {promised:?} in\n{shown}"
        );
        pages(section).for_each(|page| check_page(home.path(), page));
        terminals[..2].iter_mut().for_each(Terminal::interrupt);
    }
}

/// A folder with the program where `cargo build --release` would put it.
fn make_home(home: &Path, bin: &Path) {
    let release = home.join("target/release");
    std::fs::create_dir_all(&release).expect("a folder is made");
    symlink(env!("CARGO_BIN_EXE_outrider"), release.join("outrider")).expect("a link");
    std::fs::create_dir(bin).expect("a folder is made");
    let cargo = bin.join("cargo");
    std::fs::write(&cargo, "#!/bin/sh\ntest \"$*\" = 'build --release'\n").expect("a file");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(cargo, executable).expect("it is ours");
}

fn section(heading: &str) -> &'static str {
    let (_, rest) = README.split_once(heading).expect("the heading");
    rest.split_once("\n## ")
        .map_or(rest, |(section, _)| section)
}

/// A block of commands, and the terminal that the sentence before it names last.
struct Step {
    terminal: usize,
    text: &'static str,
}

fn steps(section: &'static str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = section;
    while let Some((before, after)) = rest.split_once("\n```sh\n") {
        let (text, after) = after.split_once("```\n").expect("a block has an end");
        let paragraph = before.trim_end().rsplit("\n\n").next().unwrap_or(before);
        let named = ["first", "second", "third"].map(|word| paragraph.rfind(word));
        let last = (0..3).max_by_key(|at| named[*at]);
        let terminal = last.expect("one of three");
        assert!(
            named[terminal].is_some(),
            "no terminal is named: {paragraph}"
        );
        steps.push(Step { terminal, text });
        rest = after;
    }
    steps
}

fn pages(section: &str) -> impl Iterator<Item = &str> {
    let links = section.split("<http://").skip(1);
    links.filter_map(|link| link.split('>').next())
}

fn check_page(home: &Path, page: &str) {
    let slash = if page.contains('/') { "" } else { "/" };
    let probed = Command::new(home.join("target/release/outrider"))
        .args(["probe", &format!("http://{page}{slash}")])
        .output()
        .expect("the program is there");
    assert!(probed.status.success(), "{page}: {probed:?}");
}

/// A shell, and what it prints.
struct Terminal {
    shell: Child,
    lines: Receiver<String>,
}

impl Terminal {
    fn open(home: &Path, bin: &Path) -> Terminal {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("bash")
            .current_dir(home)
            .env("PATH", format!("{}:{path}", bin.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("bash is there");
        let printed = BufReader::new(shell.stdout.take().expect("it is piped"));
        let (say, lines) = channel();
        std::thread::spawn(move || {
            for line in printed.lines().map_while(Result::ok) {
                // The receiver has gone when the test has ended.
                let _ = say.send(line);
            }
        });
        let mut terminal = Terminal { shell, lines };
        let traps = format!("exec 2>&1; trap 'echo \"{FAILED} $BASH_COMMAND\"' ERR\n");
        terminal.put(&traps);
        terminal
    }

    /// Types a block. Returns when its last command is done, or serves.
    fn enter(&mut self, text: &str) {
        self.put(text);
        self.put(&format!("echo; echo '{DONE}'\n"));
        let text = text.replace("\\\n", " ");
        let last = text.lines().last().unwrap_or_default();
        let servers = [
            ("outrider demo-service", " listens on "),
            ("outrider sidecar", "{\"outbound\""),
            ("outrider control-plane", "{\"listen\""),
        ];
        let server = servers.iter().find(|(server, _)| last.starts_with(server));
        if let Some((_, ready)) = server {
            while !self.line().contains(ready) {}
        }
    }

    fn put(&mut self, text: &str) {
        let stdin = self.shell.stdin.as_mut().expect("it is piped");
        stdin.write_all(text.as_bytes()).expect("the shell reads");
    }

    fn until(&mut self, last: &str) -> String {
        let mut shown = String::new();
        loop {
            let line = self.line();
            if line == last {
                return shown;
            }
            shown.push_str(&line);
            shown.push('\n');
        }
    }

    fn line(&mut self) -> String {
        let line = self.lines.recv_timeout(PATIENCE);
        let line = line.expect("a line in time");
        eprintln!("| {line}");
        assert!(!line.starts_with(FAILED), "{line}");
        line
    }

    /// What Ctrl-C does to the server that runs in front.
    fn interrupt(&mut self) {
        let group = Pid::from_raw(i32::try_from(self.shell.id()).expect("a pid"));
        killpg(group, Signal::SIGINT).expect("it runs");
        self.until(DONE);
    }
}
