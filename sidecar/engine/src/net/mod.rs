//! Connections: bytes, TLS, HTTP/2, the pool of upstream connections, their lives and their end.
//!
//! `connection` is one connection; `pool` finds or makes one for an attempt; `lifetime` decides how
//! long it lives; `flush` hands its bytes to the loop at the end of a turn. What a call does with a
//! connection is in `call`.

pub(crate) mod codec;
pub(crate) mod connection;
pub(crate) mod drain;
pub(crate) mod families;
mod flush;
mod foreign;
mod lifetime;
pub(crate) mod pool;
pub(crate) mod tls;
