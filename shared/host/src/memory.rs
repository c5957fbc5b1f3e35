//! Keeps the process's memory, which holds keys, from other users of the machine.

/// From now on the process leaves no core dump, and only root can read its memory or trace it
/// (`PR_SET_DUMPABLE`, prctl(2)).
#[cfg(target_os = "linux")]
pub fn keep_memory_private() {
    if let Err(error) = nix::sys::prctl::set_dumpable(false) {
        tracing::warn!(%error, "core dumps of this process are not forbidden");
    }
}

/// Does nothing: implemented for Linux only.
#[cfg(not(target_os = "linux"))]
pub fn keep_memory_private() {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_keeps_keys_leaves_no_core_dump() {
        keep_memory_private();
        assert_eq!(nix::sys::prctl::get_dumpable(), Ok(false));
    }
}
