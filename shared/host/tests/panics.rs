//! Whose panics are withheld: those of the threads that are named, and of no others. Alone in its
//! file, because a hook is the whole process's.

use std::panic;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;

use outrider_host::withhold_panics;

/// Panics that came to the hook of before.
static PASSED_ON: AtomicU32 = AtomicU32::new(0);

fn panic_in(thread: &str) {
    let thread = thread::Builder::new().name(thread.to_owned());
    let ended = thread.spawn(|| panic!("on purpose")).expect("a thread");
    ended.join().expect_err("it panics");
}

#[test]
fn threads_that_are_not_ours_keep_the_hook_that_they_had() {
    panic::set_hook(Box::new(|_| {
        PASSED_ON.fetch_add(1, SeqCst);
    }));
    withhold_panics(|thread| thread == "ours");
    panic_in("ours");
    assert_eq!(PASSED_ON.load(SeqCst), 0);
    panic_in("theirs");
    assert_eq!(PASSED_ON.load(SeqCst), 1);
}
