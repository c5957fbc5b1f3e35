//! A file that lines are appended to, while others rename, remove or truncate it.
//!
//! Before it writes, and whenever it is asked to look, it compares the file at its path with the
//! one it has open (device and inode), and opens the path again when they differ: that is all that
//! a rotation by renaming needs. One by truncation (`copytruncate`) needs nothing, because the file
//! is open for appending. What cannot be written is lost and counted; nothing waits for room.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::log_sink::Output;

/// The file in use.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: File,
    /// The file ends in the middle of a line, because the rest found no room.
    torn: bool,
    /// It was renamed away, and its path cannot be opened.
    adrift: bool,
    /// The problem that was last said, so that each is said once.
    problem: Option<String>,
}

impl LogFile {
    /// Opens `path` for appending; makes it when it is missing.
    ///
    /// # Errors
    /// When the system refuses, as it does when the folder is missing.
    pub fn open(path: &Path) -> io::Result<LogFile> {
        Ok(LogFile {
            path: path.to_owned(),
            file: open(path)?,
            torn: false,
            adrift: false,
            problem: None,
        })
    }

    /// Opens the path again if another file is there, or none. While that fails, lines still go
    /// into the file that was renamed away, but not into one that was removed.
    fn follow(&mut self) -> io::Result<()> {
        let ours = self.file.metadata()?;
        self.adrift = !std::fs::metadata(&self.path).is_ok_and(|there| same(&there, &ours));
        if !self.adrift {
            return Ok(());
        }
        match open(&self.path) {
            Ok(file) => {
                tracing::info!(path = %self.path.display(), "the access log was opened again");
                (self.file, self.torn, self.adrift) = (file, false, false);
            }
            Err(error) if ours.nlink() == 0 => return Err(error),
            Err(error) => self.say(&error),
        }
        Ok(())
    }

    fn write_lines(&mut self, lines: &[u8]) -> Result<(), (io::Error, usize)> {
        let unwritten = |error| (error, 0);
        self.follow().map_err(unwritten)?;
        if self.torn {
            self.file.write_all(b"\n").map_err(unwritten)?;
            self.torn = false;
        }
        let outcome = write_counted(&mut self.file, lines);
        if let Err((_, written)) = &outcome {
            self.torn = *written > 0 && lines[written - 1] != b'\n';
        }
        outcome
    }

    /// Says a problem once, until it is another one or none.
    fn say(&mut self, error: &io::Error) {
        let problem = error.to_string();
        if self.problem.as_ref() != Some(&problem) {
            let path = self.path.display();
            tracing::warn!(%path, problem, "the access log cannot be written; see its lines lost");
            self.problem = Some(problem);
        }
    }
}

impl Output for LogFile {
    fn append(&mut self, lines: &[u8]) -> Result<(), usize> {
        match self.write_lines(lines) {
            Ok(()) => {
                self.problem.take_if(|_| !self.adrift);
                Ok(())
            }
            Err((error, written)) => {
                self.say(&error);
                Err(written)
            }
        }
    }

    fn look(&mut self) {
        if let Err(error) = self.follow() {
            self.say(&error);
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// As `write_all`, but an error comes with the octets that were written before it.
pub fn write_counted(output: &mut impl Write, octets: &[u8]) -> Result<(), (io::Error, usize)> {
    let mut written = 0;
    while written < octets.len() {
        match output.write(&octets[written..]) {
            Ok(0) => return Err((io::ErrorKind::WriteZero.into(), written)),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((error, written)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A log file in a folder of its own, with one line in it.
    fn opened() -> (tempfile::TempDir, PathBuf, LogFile) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("logs").join("access.log");
        fs::create_dir(folder.path().join("logs")).expect("a folder");
        let mut log = LogFile::open(&path).expect("it opens");
        log.append(b"1\n").expect("it is written");
        (folder, path, log)
    }

    fn text(path: &Path) -> String {
        fs::read_to_string(path).expect("the log is readable")
    }

    #[test]
    fn a_line_after_a_rotation_goes_where_the_path_leads() {
        type Rotate = fn(&Path);
        let cases: [(&str, Rotate, &str); 6] = [
            ("nothing", |_| {}, "1\n2\n"),
            (
                "renamed away",
                |path| fs::rename(path, path.with_extension("1")).expect("renamed"),
                "2\n",
            ),
            (
                "renamed away, and another one made",
                |path| {
                    fs::rename(path, path.with_extension("1")).expect("renamed");
                    fs::write(path, "0\n").expect("written");
                },
                "0\n2\n",
            ),
            (
                "copied and truncated",
                |path| {
                    fs::copy(path, path.with_extension("1")).expect("copied");
                    fs::write(path, "").expect("truncated");
                },
                "2\n",
            ),
            (
                "removed",
                |path| fs::remove_file(path).expect("removed"),
                "2\n",
            ),
            (
                "its folder replaced",
                |path| {
                    let folder = path.parent().expect("a folder");
                    fs::rename(folder, folder.with_extension("1")).expect("renamed");
                    fs::create_dir(folder).expect("made");
                },
                "2\n",
            ),
        ];
        for (case, rotate, expected) in cases {
            let (_folder, path, mut log) = opened();
            rotate(&path);
            log.append(b"2\n").expect("it is written");
            assert_eq!(text(&path), expected, "{case}");
        }
    }

    #[test]
    fn a_look_makes_the_file_without_a_line() {
        let (_folder, path, mut log) = opened();
        fs::rename(&path, path.with_extension("1")).expect("renamed");
        log.look();
        assert_eq!(text(&path), "");
    }

    #[test]
    fn without_its_folder_lines_are_lost_until_it_is_back() {
        let (_folder, path, mut log) = opened();
        let folder = path.parent().expect("a folder");
        fs::remove_dir_all(folder).expect("removed");
        assert_eq!(log.append(b"2\n"), Err(0));
        log.look();
        fs::create_dir(folder).expect("made");
        log.append(b"3\n").expect("it is written");
        assert_eq!(text(&path), "3\n");
    }

    #[test]
    fn a_file_renamed_out_of_a_folder_that_is_gone_still_takes_lines() {
        let (outside, path, mut log) = opened();
        let kept = outside.path().join("kept");
        fs::rename(&path, &kept).expect("renamed");
        fs::remove_dir(path.parent().expect("a folder")).expect("removed");
        log.append(b"2\n").expect("it is written");
        assert_eq!(text(&kept), "1\n2\n");
    }

    #[test]
    fn a_full_disk_refuses_lines_and_nothing_else() {
        let mut log = LogFile::open(Path::new("/dev/full")).expect("it opens");
        assert_eq!(log.append(b"1\n"), Err(0));
        assert_eq!(log.append(b"2\n"), Err(0));
    }

    #[test]
    fn a_line_after_half_a_line_begins_on_its_own() {
        let (_folder, path, mut log) = opened();
        log.file.write_all(b"{\"ha").expect("it is written");
        log.torn = true;
        log.append(b"2\n").expect("it is written");
        assert_eq!(text(&path), "1\n{\"ha\n2\n");
    }

    #[test]
    fn an_error_says_how_much_was_written() {
        let mut room = [0; 5];
        let written = write_counted(&mut room.as_mut_slice(), b"12\n345\n");
        assert_eq!(written.map_err(|(_, written)| written), Err(5));
    }
}
