//! Sans-I/O HTTP/2 for proxies: bytes in, stream events out.
//!
//! Decides everything RFC 9113 and RFC 7541 decide: frames, field compression, stream states,
//! flow control, which error has which level, and how much of a peer's noise is too much.
//! It deliberately knows no sockets, clocks, TLS, gRPC or policy: the owner feeds
//! [`Connection::receive`] and sends what [`Connection::output`] holds.

mod config;
mod connection;
mod error;
mod event;
mod fields;
mod foreign;
mod frame;
mod hpack;
mod malformed;
mod octets;
mod stream;
mod stream_id;
mod validate;
mod window_pool;

pub use config::{Budget, Config};
pub use connection::{CannotOpen, Connection, Counters, Flood, FramedData, GoawayKind};
pub use error::{ConnectionError, ErrorCode};
pub use event::{Ends, Event, ResetCause};
pub use fields::{Field, Fields, FieldsIter};
pub use foreign::{FirstOctets, Foreign};
pub use malformed::Malformed;
pub use stream_id::StreamId;
pub use window_pool::WindowPool;
