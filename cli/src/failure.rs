//! Why a command did not do what it was asked, as the sentence a person reads.

use std::{error::Error, fmt, process::ExitCode};

use outrider_causes::describe_cause;
use outrider_daemon::StartupError;

/// Why a command failed. The text says what to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// The command line or the configuration must be changed. Exit code 2.
    Usage(String),
    /// It went wrong while running. Exit code 1.
    Runtime(String),
}

impl Failure {
    /// A failure while running: `what` was tried, and the likely cause.
    pub fn runtime(what: &str, error: &(dyn Error + 'static)) -> Failure {
        Failure::Runtime(format!("{what}: {}", describe_cause(error, None)))
    }

    /// What the operator must change is usage; what the system refused happened while running.
    pub fn startup(error: &StartupError) -> Failure {
        match error {
            StartupError::Flag { .. }
            | StartupError::Folder { .. }
            | StartupError::Documents { .. }
            | StartupError::Data { .. }
            | StartupError::Identity(_) => Failure::Usage(chain(error)),
            StartupError::Listen { .. }
            | StartupError::System { .. }
            | StartupError::Worker(_)
            | StartupError::Control(_) => Failure::Runtime(chain(error)),
        }
    }

    /// As [`Failure::startup`], of a control plane.
    pub fn control_plane(error: &outrider_control_plane::StartupError) -> Failure {
        use outrider_control_plane::StartupError;
        match error {
            StartupError::Flag { .. } | StartupError::Data { .. } | StartupError::Documents(_) => {
                Failure::Usage(chain(error))
            }
            StartupError::Store { .. }
            | StartupError::Authority(_)
            | StartupError::Listen { .. }
            | StartupError::System { .. }
            | StartupError::Ended(_) => Failure::Runtime(chain(error)),
        }
    }

    /// The exit code of the process.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Usage(_) => ExitCode::from(2),
            Failure::Runtime(_) => ExitCode::from(1),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) | Failure::Runtime(text) => f.write_str(text),
        }
    }
}

/// An error and its causes in one line; a cause that the line already quotes is not repeated.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
