//! What a command prints on standard output.

use std::io::{self, ErrorKind, Write};

use crate::failure::Failure;

/// Prints `text` as it is. A reader that has seen enough, as `head` has, is no failure.
///
/// # Errors
/// When it cannot be written, for example into a file on a full disk.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::runtime("cannot write to standard output", &error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// As [`print`], and ends the line.
///
/// # Errors
/// As [`print`].
pub fn print_line(text: &str) -> Result<(), Failure> {
    print(&format!("{text}\n"))
}
