//! Logs a panic: where it happened, and its message only if that is a literal of the source.
//!
//! The standard hook prints the panic's message, and a message may quote what a peer sent (a failed
//! slice of a string prints the string). So a message that was formatted at run time is withheld; the place
//! is enough to find the panic. Applies to the threads that the caller names; other threads of an
//! embedding program keep their hook.

use std::panic::{self, PanicHookInfo};
use std::thread;

/// Replaces a message that was formatted at run time.
const WITHHELD: &str = "withheld, as it may quote traffic";

/// Replaces the process's panic hook for threads whose name `is_ours`; an unnamed one has the empty
/// name. Other threads keep the previous hook. Call it once.
pub fn withhold_panics(is_ours: fn(&str) -> bool) {
    let others = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        match is_ours(thread::current().name().unwrap_or_default()) {
            true => log(info),
            false => others(info),
        }
    }));
}

fn log(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = thread::current().name().unwrap_or_default().to_owned();
    tracing::error!(place, thread, message = words(info), "a panic");
}

/// The message, if it is a literal of the source.
fn words(info: &PanicHookInfo<'_>) -> &'static str {
    info.payload()
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or(WITHHELD)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// What would be logged of a panic in `work`.
    fn said(work: impl FnOnce() + Send + 'static) -> &'static str {
        let (says, heard) = mpsc::channel();
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let name = thread::current().name().map(str::to_owned);
            match name.as_deref() {
                Some("on-purpose") => drop(says.send(words(info))),
                _ => others(info),
            }
        }));
        let thread = thread::Builder::new().name("on-purpose".to_owned());
        let result = thread.spawn(work).expect("a thread").join();
        assert!(result.is_err(), "it did not panic");
        heard.recv().expect("the hook was called")
    }

    #[test]
    fn a_message_made_at_run_time_is_withheld() {
        let secret = std::hint::black_box("hunter2").to_owned();
        assert_eq!(said(move || panic!("no such user: {secret}")), WITHHELD);
        assert_eq!(said(|| panic!("a sentence")), "a sentence");
    }
}
