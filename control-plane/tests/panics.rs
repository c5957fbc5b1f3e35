//! The process of a control plane says of a panic only what may be said: it replaces the panic hook
//! before anything else. Alone in its file, because a hook is the whole process's.

use std::panic;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;

use outrider_control_plane::{Options, StartupError, run};

/// Panics that came to the hook of before, as the standard one, which prints the message.
static PRINTED: AtomicU32 = AtomicU32::new(0);

fn panic_in_a_thread() {
    let ended = thread::spawn(|| panic!("on purpose")).join();
    ended.expect_err("it panics");
}

#[test]
fn no_thread_of_the_process_keeps_the_hook_that_prints_messages() {
    panic::set_hook(Box::new(|_| {
        PRINTED.fetch_add(1, SeqCst);
    }));
    panic_in_a_thread();
    assert_eq!(PRINTED.load(SeqCst), 1);

    // It ends at once, because its folder is a file; the hook stays.
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let ended = run(Options::new(file.path()));
    assert!(matches!(ended, Err(StartupError::Data { .. })), "{ended:?}");
    panic_in_a_thread();
    assert_eq!(PRINTED.load(SeqCst), 1);
}
