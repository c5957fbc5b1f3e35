//! Placeholder.
pub mod xds;
