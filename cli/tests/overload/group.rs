//! A control group of a test, with a limit on memory (cgroups(7), versions 2 and 1).
//!
//! Decides what follows where none can be made. A machine or container that offers no memory
//! controller cannot run the test, which is said; where it is offered and the test may not use it, a
//! test that is required (`outrider_tests::tools`) fails.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use outrider_tests::tools;

/// A group, empty again when the test ends.
pub struct Group {
    folder: PathBuf,
    /// Where it counts the processes that the system killed in it.
    events: &'static str,
}

/// Where groups with a limit on memory can be made.
#[derive(Debug, PartialEq, Eq)]
struct Offer {
    folder: PathBuf,
    limit: &'static str,
    events: &'static str,
}

/// Why there is no group.
enum Refusal {
    /// The kernel or the container has no memory controller for us.
    NotOffered(String),
    /// It has one, and who runs the test may not use it.
    Denied(String),
}

impl Group {
    /// One whose processes may use `limit_mib` MiB; `None` where none can be made, which is said.
    ///
    /// # Panics
    /// As the module says.
    pub fn new(name: &str, limit_mib: usize) -> Option<Group> {
        let name = format!("outrider-test-{name}-{}", std::process::id());
        match Group::make(&name, limit_mib) {
            Ok(group) => return Some(group),
            Err(Refusal::NotOffered(why)) => tools::say_skipped(&format!("a control group: {why}")),
            Err(Refusal::Denied(why)) => tools::skip(&format!("a control group: {why}")),
        }
        None
    }

    fn make(name: &str, limit_mib: usize) -> Result<Group, Refusal> {
        let offer = offer(Path::new("/sys/fs/cgroup")).map_err(Refusal::NotOffered)?;
        let folder = offer.folder.join(name);
        if let Err(error) = fs::create_dir(&folder) {
            let why = format!("{}: {error}", folder.display());
            // Read-only, or forbidden even to root: the container's doing.
            let is_offered = error.kind() == ErrorKind::PermissionDenied && !is_root();
            return Err(match is_offered {
                true => Refusal::Denied(format!("{why} (root may)")),
                false => Refusal::NotOffered(why),
            });
        }
        let group = Group {
            folder,
            events: offer.events,
        };
        let file = group.folder.join(offer.limit);
        let written = fs::write(&file, (limit_mib << 20).to_string());
        let denied = |error| Refusal::Denied(format!("{}: {error}", file.display()));
        written.map_err(denied).map(|()| group)
    }

    /// What a shell says to be in it.
    pub fn enter(&self) -> String {
        format!("echo $$ > {}/cgroup.procs || exit 1", self.folder.display())
    }

    /// Processes that the system killed in it.
    pub fn kills(&self) -> u64 {
        let events = fs::read_to_string(self.folder.join(self.events)).expect("it is there");
        let mut lines = events.lines();
        let count = lines.find_map(|line| line.strip_prefix("oom_kill "));
        count.and_then(|count| count.parse().ok()).expect("a count")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Refused for as long as somebody who was killed is not gone yet.
        while fs::read_to_string(self.folder.join("cgroup.procs")).is_ok_and(|all| !all.is_empty())
        {
            std::thread::yield_now();
        }
        if let Err(error) = fs::remove_dir(&self.folder) {
            println!("{} stays: {error}", self.folder.display());
        }
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// The memory controller below `mounts`, or why there is none. Changes nothing: a version 2 that does
/// not pass the controller on to new groups is left so.
fn offer(mounts: &Path) -> Result<Offer, String> {
    let memory = mounts.join("memory");
    if memory.join("memory.limit_in_bytes").exists() {
        return Ok(Offer {
            folder: memory,
            limit: "memory.limit_in_bytes",
            events: "memory.oom_control",
        });
    }
    let passed_on = mounts.join("cgroup.subtree_control");
    match fs::read_to_string(&passed_on) {
        Ok(names) if names.split_whitespace().any(|name| name == "memory") => Ok(Offer {
            folder: mounts.to_owned(),
            limit: "memory.max",
            events: "memory.events",
        }),
        Ok(_) => Err(format!("{}: no memory in it", passed_on.display())),
        Err(_) => Err(format!("no memory controller in {}", mounts.display())),
    }
}

#[test]
fn a_controller_is_offered_where_new_groups_have_it() {
    let mounts = tempfile::tempdir().expect("a temporary folder");
    let mounts = mounts.path();
    let offered = || offer(mounts).ok().map(|offer| offer.limit);
    assert_eq!(offered(), None, "nothing is mounted");
    let write = |file: &str, text: &str| fs::write(mounts.join(file), text).expect("a file");
    write("cgroup.controllers", "cpu memory pids\n");
    write("cgroup.subtree_control", "cpu pids\n");
    assert_eq!(offered(), None, "version 2 keeps it to itself");
    write("cgroup.subtree_control", "cpu memory\n");
    assert_eq!(offered(), Some("memory.max"));
    fs::create_dir(mounts.join("memory")).expect("a folder");
    write("memory/memory.limit_in_bytes", "1\n");
    assert_eq!(offered(), Some("memory.limit_in_bytes"));
}
