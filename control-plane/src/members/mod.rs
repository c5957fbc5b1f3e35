//! The members of the mesh: who calls, who is connected, and how often each may do something.

pub mod caller;
pub mod join_refusals;
mod member_id;
pub mod mesh;
pub mod old_root;
pub mod rate_limit;
pub mod sidecars;
pub mod stream_limit;

pub use member_id::MemberId;
