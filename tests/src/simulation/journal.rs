//! The readable list of events of one run, made only when somebody will read it.

use std::fmt::Write;

use outrider_policy::Tick;

/// What becomes of the events of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing: the run only has to pass.
    Nothing,
    /// They are returned with the run.
    Events,
    /// They are printed as they happen, so that a panic cannot lose them.
    Printed,
}

/// The events so far.
#[derive(Debug)]
pub(super) struct Journal {
    keep: Keep,
    pub(super) lines: String,
}

impl Journal {
    pub(super) fn new(keep: Keep) -> Journal {
        Journal {
            keep,
            lines: String::new(),
        }
    }

    /// Notes what `line` says; not called when nobody keeps it.
    pub(super) fn note(&mut self, now: Tick, line: impl FnOnce() -> String) {
        let millis = now.as_nanos() as f64 / 1e6;
        match self.keep {
            Keep::Nothing => {}
            Keep::Events => {
                // Writing to a String cannot fail.
                let _ = writeln!(self.lines, "{millis:>12.3} ms  {}", line());
            }
            Keep::Printed => println!("{millis:>12.3} ms  {}", line()),
        }
    }
}
