//! ADS for connected sidecars: the streams around [`crate::ads`].
//!
//! Reading order: `service` (who may open one), `stream` (its life), `dialect` (the two
//! protocols), `visibility` (who may see what). Knows nothing of where resources come from.

mod dialect;
mod service;
mod stream;
mod visibility;

#[cfg(test)]
mod tests;

pub use service::Ads;
pub use stream::Context;
