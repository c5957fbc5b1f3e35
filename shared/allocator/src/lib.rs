//! The allocator of the processes, and how it is told to give memory back.
//!
//! mimalloc keeps freed memory for a second, and then gives it back when it next takes or frees a page. A
//! process that is idle, or refuses work for want of memory, does neither: it stayed at its limit
//! for up to ten seconds. No option changes that but to give back at once whatever is freed, which costs
//! 1 us of CPU a call (`bench/results/2026-11-21-allocator.md`). So the owner of a loop says when. The
//! call is in no safe API, and every other crate forbids `unsafe`: therefore this crate.

pub use mimalloc::MiMalloc;

/// Gives what this thread has freed, and what is free in the arenas of all, back to the system. 0.4 us
/// when nothing is free, 0.7 ms for 10 MiB (same page); without effect in a program with another allocator.
#[expect(unsafe_code, reason = "mimalloc's C API has no safe form")]
pub fn give_back() {
    // SAFETY: takes no pointer, frees nothing that is in use, and may be called by any thread at any
    // time (mimalloc, "Heap introspection and collection": mi_collect).
    unsafe { libmimalloc_sys::mi_collect(true) }
}
