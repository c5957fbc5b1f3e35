//! The rows of "what the control does, the mesh does", a file for each kind.
//!
//! A new row is one expression in one of these lists; a new kind is a file here and a test in
//! `tests/tests/control.rs`.

pub mod ends;
pub mod fields;
pub mod messages;
pub mod statuses;
pub mod streams;
