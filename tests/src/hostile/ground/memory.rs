//! Memory and descriptors of a process, as Linux counts them.

use std::fs;

/// Resident memory of a process, its children not counted. Octets; `None` when it is gone.
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * PAGE_BYTES)
}

/// Descriptors that a process has open; `None` when it is gone.
pub fn open_descriptors(pid: u32) -> Option<usize> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    Some(open.count())
}

/// Of x86-64, and of the ARM kernels of Debian.
const PAGE_BYTES: u64 = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_descriptors_and_none_has_pid_0() {
        assert!(resident_bytes(std::process::id()).is_some_and(|bytes| bytes > 1 << 20));
        assert_eq!(resident_bytes(0), None);
        assert!(open_descriptors(std::process::id()).is_some_and(|open| open > 0));
        assert_eq!(open_descriptors(0), None);
    }
}
