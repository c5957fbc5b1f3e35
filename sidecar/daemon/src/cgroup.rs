//! The memory limit of the control group that the process runs in, versions 2 and 1.
//!
//! Read once, at the start. A group's limit holds for all groups below it, so the least one on the
//! way up counts. See cgroups(7), and the kernel's admin guide, `cgroup-v2` and `cgroup-v1/memory`.

use std::fs;
use std::path::Path;

/// Version 1 says "no limit" as a number near 2^63.
const V1_UNLIMITED: u64 = 1 << 60;

/// Bytes the system lets this process's group use; `None` when it does not say.
pub fn memory_limit() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    least(Path::new("/sys/fs/cgroup"), &groups)
}

/// The least limit of `groups` (the text of `/proc/PID/cgroup`), whose files are below `mounts`.
fn least(mounts: &Path, groups: &str) -> Option<u64> {
    groups
        .lines()
        .filter_map(|group| limit(mounts, group))
        .min()
}

/// Of one line, `ID:CONTROLLERS:PATH`.
fn limit(mounts: &Path, group: &str) -> Option<u64> {
    let mut parts = group.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?);
    let (mount, file) = match controllers {
        "" => (mounts.to_owned(), "memory.max"),
        "memory" => (mounts.join("memory"), "memory.limit_in_bytes"),
        _ => return None,
    };
    // Inside a container the path may be the host's; what is mounted then is the own group.
    let inside = mount.join(path.trim_start_matches('/'));
    let groups = inside
        .ancestors()
        .take_while(|group| group.starts_with(&mount));
    let limits = groups.filter_map(|group| fs::read_to_string(group.join(file)).ok());
    limits
        .filter_map(|limit| limit.trim().parse().ok())
        .filter(|limit| *limit < V1_UNLIMITED)
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files as `PATH=TEXT`, with blanks between them.
    #[test]
    fn the_least_limit_on_the_way_up_counts() {
        let cases = [
            (
                "v2",
                "0::/a/b",
                "a/b/memory.max=64 a/memory.max=max",
                Some(64),
            ),
            (
                "a parent's",
                "0::/a/b",
                "a/b/memory.max=64 a/memory.max=32",
                Some(32),
            ),
            ("a namespace", "0::/", "memory.max=64", Some(64)),
            ("none", "0::/a", "a/memory.max=max", None),
            (
                "v1",
                "4:memory:/a\n0::/",
                "memory/a/memory.limit_in_bytes=64",
                Some(64),
            ),
            (
                "the host's path",
                "4:memory:/docker/x",
                "memory/memory.limit_in_bytes=64",
                Some(64),
            ),
            (
                "v1 without",
                "4:memory:/a",
                "memory/a/memory.limit_in_bytes=9223372036854771712",
                None,
            ),
            (
                "another controller",
                "3:cpu:/a",
                "memory/a/memory.limit_in_bytes=64",
                None,
            ),
        ];
        for (name, groups, files, expected) in cases {
            let mounts = tempfile::tempdir().expect("a temporary folder");
            for file in files.split(' ') {
                let (path, text) = file.split_once('=').expect("PATH=TEXT");
                let path = mounts.path().join(path);
                let folder = path.parent().expect("it is below the mounts");
                fs::create_dir_all(folder).expect("a folder");
                fs::write(path, format!("{text}\n")).expect("a file is written");
            }
            assert_eq!(least(mounts.path(), groups), expected, "{name}");
        }
    }
}
