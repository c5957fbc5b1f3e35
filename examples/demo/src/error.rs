//! Why the demo failed, as the sentence a person reads.

use std::error::Error;
use std::fmt;

use outrider_causes::describe_cause;

/// A sentence that says what went wrong. No code reads it.
#[derive(Debug)]
pub struct DemoError(String);

impl DemoError {
    pub(crate) fn new(text: String) -> DemoError {
        DemoError(text)
    }

    /// `what` was tried, then the likely cause.
    pub(crate) fn caused_by(what: &str, error: &(dyn Error + 'static)) -> DemoError {
        DemoError(format!("{what}: {}", describe_cause(error, None)))
    }
}

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for DemoError {}
