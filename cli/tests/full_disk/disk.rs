//! A small file system of our own that fills up and is freed.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use outrider_tests::tools;

/// Size of the disk. MiB; room for what 100 cycles write.
const DISK_MIB: usize = 48;

/// A small file system that no other process sees. It ends with the process that holds it.
pub struct Disk {
    holder: Child,
    /// Where the holder sees it, and where we do.
    pub folder: tempfile::TempDir,
    pub seen: PathBuf,
}

/// A disk with room; `None`, and said: this machine lets us mount nothing.
pub fn mounted() -> Option<Disk> {
    let disk = Disk::mount();
    if disk.is_none() {
        tools::skip("no file system can be mounted in a namespace of our own: that takes root");
    }
    disk
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

impl Disk {
    /// `None`: this machine lets us mount nothing.
    fn mount() -> Option<Disk> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let script = format!("mount -t tmpfs -o size={DISK_MIB}m disk \"$0\" && echo && exec cat");
        let holder = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", &script])
            .arg(folder.path())
            // Held by `Child`: when this test dies in any way, the holder sees its input end.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut holder = holder.ok()?;
        let mut line = String::new();
        let stdout = holder.stdout.take().expect("it is piped");
        let _ = BufReader::new(stdout).read_line(&mut line);
        let root = format!("/proc/{}/root{}", holder.id(), folder.path().display());
        let disk = Disk {
            holder,
            folder,
            seen: root.into(),
        };
        (line == "\n").then_some(disk)
    }

    /// A command that sees the disk at `folder`.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        let namespace = format!("--mount=/proc/{}/ns/mnt", self.holder.id());
        command.args([&namespace, program]);
        command
    }

    fn filler(&self) -> PathBuf {
        self.seen.join("filler")
    }

    /// Writes until nothing more fits, and leaves so many octets.
    pub fn fill_up_to(&self, room: u64) {
        let mut filler = File::create(self.filler()).expect("a file");
        for size in [1 << 20, 4_096, 1] {
            let octets = vec![0; size];
            loop {
                match filler.write_all(&octets) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        let full = filler.metadata().expect("it is there").len();
        filler.set_len(full - room).expect("it is shortened");
    }

    /// Takes away what filled it.
    pub fn free(&self) {
        fs::remove_file(self.filler()).expect("it is there");
    }

    /// `ro`: read-only; `rw`: to be written again.
    pub fn remount(&self, option: &str) {
        let mount = self
            .command("mount")
            .args(["-o", &format!("remount,{option}")])
            .arg(self.folder.path())
            .status();
        assert!(mount.expect("nsenter is there").success());
    }
}
