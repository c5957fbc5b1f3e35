//! Whose panics are a sidecar's: those of its own threads, and of none that a program that embeds one
//! has beside it.
//!
//! What is said of them is `outrider-host`'s; what a panic ended is the engine's to say
//! (`contain.rs`).

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

/// The process is a sidecar: its main thread is the control thread.
static OWNS_MAIN: AtomicBool = AtomicBool::new(false);

/// As [`install`], in a process that is a sidecar and nothing else.
pub fn install_in_process() {
    OWNS_MAIN.store(true, Ordering::Relaxed);
    install();
}

/// Replaces the process's panic hook, once.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| outrider_host::withhold_panics(is_ours));
}

fn is_ours(thread: &str) -> bool {
    match thread {
        "control" => true,
        "main" => OWNS_MAIN.load(Ordering::Relaxed),
        name => name.starts_with(crate::worker::THREAD),
    }
}
