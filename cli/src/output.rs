//! What a command prints on standard output.

use crate::failure::Failure;

/// Prints `text` as it is. A reader that closes the pipe early, as `head` does, is no failure.
///
/// # Errors
/// When it cannot be written, for example into a file on a full disk.
pub fn print(text: &str) -> Result<(), Failure> {
    outrider_host::print(text)
        .map_err(|error| Failure::runtime("cannot write to standard output", &error))
}

/// As [`print`], and ends the line.
///
/// # Errors
/// As [`print`].
pub fn print_line(text: &str) -> Result<(), Failure> {
    print(&format!("{text}\n"))
}
