//! What outlives the process: the store, the journal in it, and the restore of a backup.

pub mod journal;
pub mod restore;
pub mod store;
