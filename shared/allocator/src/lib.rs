//! The allocator of our processes, and a call that makes it return memory to the system.
//!
//! mimalloc keeps freed memory for a second and returns it when it next takes or frees a page. A process
//! that is idle, or refuses work because memory is short, does neither: it stayed at its limit for up to
//! ten seconds. The only option that helps returns all memory at once and costs 1 us of CPU a call
//! (`bench/results/2026-11-21-allocator.md`). So the worker's loop calls [`give_back`]. There is no safe
//! API for it, and every other crate forbids `unsafe`: hence this crate.

pub use mimalloc::MiMalloc;

/// Returns what this thread has freed, and what is free in all arenas, to the system. 0.4 us
/// when nothing is free, 0.7 ms for 10 MiB (same page); without effect in a program with another allocator.
#[expect(unsafe_code, reason = "mimalloc's C API has no safe form")]
pub fn give_back() {
    // SAFETY: takes no pointer, frees nothing that is in use, and may be called by any thread at any
    // time (mimalloc, "Heap introspection and collection": mi_collect).
    unsafe { libmimalloc_sys::mi_collect(true) }
}
