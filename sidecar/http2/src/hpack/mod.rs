//! HPACK field compression (RFC 7541).
//!
//! Turns field lists into octets and back, with one table for each direction. Knows the limits
//! on a list, because they must hold before a list exists; not what a list may contain.

mod decode;
mod dynamic_table;
mod encode;
mod huffman;
mod index;
mod integer;
mod static_table;

#[cfg(test)]
mod appendix_c;
#[cfg(test)]
mod vectors;

pub(crate) use decode::{DecodeError, Decoded, Decoder, ListLimits};
pub(crate) use encode::Encoder;
