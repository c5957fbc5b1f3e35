//! What a command prints for people on standard output.

use std::io::{self, ErrorKind, Write};

/// Prints `text` as it is. A reader that closes the pipe early, as `head` does, is no failure.
///
/// # Errors
/// When it cannot be written, for example into a file on a full disk.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Ok(()) | Err(_) => written,
    }
}
