//! State that fits into one word, so that workers can share it without a lock.

/// A state that packs into 64 bits. The engine keeps it in one atomic word and runs its steps in a
/// compare-exchange loop.
pub trait Word: Copy {
    /// The whole state in one word. Never `u64::MAX`: that stands for a word that nothing has used.
    fn to_bits(self) -> u64;

    /// The inverse of [`to_bits`](Word::to_bits); every word is a legal state.
    fn from_bits(bits: u64) -> Self;
}
