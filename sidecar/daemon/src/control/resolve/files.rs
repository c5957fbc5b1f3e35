//! The machine's files that control name resolution, and whether any of them changed.
//!
//! They are compared by `stat`, not watched: a container's /etc/hosts is mounted into it as a single
//! file, so a change causes no event in its folder.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::hosts::Hosts;
use super::resolv_conf::Settings;

/// Where the files are. The default is this machine's.
#[derive(Clone, Debug)]
pub struct Files {
    switch: PathBuf,
    hosts: PathBuf,
    host_conf: PathBuf,
    resolv_conf: PathBuf,
}

/// The state of the files at one moment; equal until one is changed or replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamps([Option<Stamp>; 4]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: (u64, u64),
    bytes: u64,
    changed: (i64, i64),
}

impl Default for Files {
    fn default() -> Files {
        Files::below(Path::new("/etc"))
    }
}

impl Files {
    fn below(folder: &Path) -> Files {
        Files {
            switch: folder.join("nsswitch.conf"),
            hosts: folder.join("hosts"),
            host_conf: folder.join("host.conf"),
            resolv_conf: folder.join("resolv.conf"),
        }
    }

    /// Files of a test, below `folder`.
    #[cfg(test)]
    pub fn written(folder: &Path, switch: &str, hosts: &str, resolv_conf: &str) -> Files {
        let files = Files::below(folder);
        let texts = [
            (&files.switch, switch),
            (&files.hosts, hosts),
            (&files.resolv_conf, resolv_conf),
        ];
        for (path, text) in texts {
            fs::write(path, text).expect("a file is written");
        }
        files
    }

    /// The present state of the files.
    pub fn stamps(&self) -> Stamps {
        let paths = [
            &self.switch,
            &self.hosts,
            &self.host_conf,
            &self.resolv_conf,
        ];
        Stamps(paths.map(|path| stamp(path)))
    }

    /// The text of nsswitch.conf; empty if it cannot be read.
    pub(super) fn switch(&self) -> String {
        text(&self.switch)
    }

    /// /etc/hosts; empty if it cannot be read.
    pub(super) fn hosts(&self) -> Hosts {
        Hosts::new(text(&self.hosts), &text(&self.host_conf))
    }

    /// The settings of /etc/resolv.conf and the environment.
    pub(super) fn settings(&self) -> Settings {
        let hostname = text(Path::new("/proc/sys/kernel/hostname"));
        let settings = Settings::parse(&text(&self.resolv_conf), &hostname);
        let variable = |name| env::var(name).ok();
        let (domain, options) = (variable("LOCALDOMAIN"), variable("RES_OPTIONS"));
        settings.overridden(domain.as_deref(), options.as_deref())
    }
}

fn text(path: &Path) -> String {
    let octets = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&octets).into_owned()
}

fn stamp(path: &Path) -> Option<Stamp> {
    let found = fs::metadata(path).ok()?;
    Some(Stamp {
        inode: (found.dev(), found.ino()),
        bytes: found.len(),
        changed: (found.ctime(), found.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_written_or_replaced_has_another_stamp() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files = Files::written(folder.path(), "", "10.0.0.1 orders\n", "");
        let first = files.stamps();
        assert_eq!(files.stamps(), first, "nothing happened");
        fs::write(&files.hosts, "10.0.0.22 orders\n").expect("it is written");
        let written = files.stamps();
        assert_ne!(written, first, "written in place");
        let draft = folder.path().join("draft");
        fs::write(&draft, "10.0.0.33 orders\n").expect("it is written");
        fs::rename(&draft, &files.hosts).expect("it is renamed");
        assert_ne!(files.stamps(), written, "replaced");
        let replaced = files.stamps();
        fs::remove_file(&files.resolv_conf).expect("it is removed");
        assert_ne!(files.stamps(), replaced, "removed");
    }
}
