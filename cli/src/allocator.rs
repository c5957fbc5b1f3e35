//! How soon the allocator gives freed memory back to the system.
//!
//! mimalloc keeps what was freed for a while, and looks whether that is over when it is asked for much:
//! a process that refuses work for want of memory asks for little and stayed at its limit for up to ten
//! seconds, with a delay of 10 ms still for five. Without any delay it is below it within 50 ms.
//! It takes its options from the environment, before `main`, and nothing of it can be told later
//! without `unsafe`. So a sidecar with a limit becomes itself anew, once, with the option set: the same
//! process, the same arguments and standard streams. Costs some 3 ms of its start. See mimalloc's
//! page "Environment Options".

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// mimalloc's name for the time that freed memory is kept. Milliseconds.
const PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";

/// At once. Costs a system call for each stretch of 64 KiB and more that becomes free as a whole.
const PURGE_DELAY_MS: &str = "0";

/// Sees to it that memory goes back soon; returns when it does, or cannot be made to.
pub fn give_back_soon() {
    if env::var_os(PURGE_DELAY).is_none() {
        let error = become_anew();
        // A limit is held without it as well, only left later.
        eprintln!("outrider: freed memory goes back late: {error}");
    }
}

/// Returns only if that fails.
fn become_anew() -> io::Error {
    let mut words = env::args_os();
    let (name, program) = match (words.next(), env::current_exe()) {
        (Some(name), Ok(program)) => (name, program),
        (None, _) => return io::ErrorKind::InvalidInput.into(),
        (_, Err(error)) => return error,
    };
    let mut command = Command::new(program);
    command
        .arg0(name)
        .args(words)
        .env(PURGE_DELAY, PURGE_DELAY_MS);
    command.exec()
}
