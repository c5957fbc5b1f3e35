//! Scenarios whose cost is measured and held: what their programs share.

pub mod mesh;
pub mod unary;
