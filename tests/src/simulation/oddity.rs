//! Unusual request heads, and what a sidecar must say to them.

use outrider_engine::Reason;

use super::plan::Method;
use super::random::Random;

/// What is unusual about a request head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Oddity {
    None,
    /// Names a service that there is not.
    Nowhere,
    /// Its path is outside the grammar.
    BadPath,
    /// Its `grpc-timeout` is outside the grammar.
    BadTimeout,
    /// Just within the limits: takes several frames.
    BigHead,
    /// Over the limits.
    HugeHead,
}

impl Oddity {
    pub(super) fn draw(random: &mut Random, method: Method) -> Oddity {
        match random.between(0, 99) {
            0 => Oddity::Nowhere,
            1 => Oddity::BadPath,
            2 if method.is_grpc() => Oddity::BadTimeout,
            3 | 4 => Oddity::BigHead,
            5 => Oddity::HugeHead,
            _ => Oddity::None,
        }
    }

    /// Why the caller's sidecar must refuse it, if it must.
    pub(super) fn reason(self) -> Option<Reason> {
        match self {
            Oddity::None | Oddity::BigHead => None,
            Oddity::Nowhere => Some(Reason::NoRoute),
            Oddity::BadPath => Some(Reason::BadRequest),
            Oddity::BadTimeout => Some(Reason::BadTimeout),
            Oddity::HugeHead => Some(Reason::HeadersTooLarge),
        }
    }

    /// Octets of a field that only makes the head longer.
    pub(super) fn filler(self) -> usize {
        match self {
            Oddity::None | Oddity::Nowhere | Oddity::BadPath | Oddity::BadTimeout => 0,
            Oddity::BigHead => 24_000,
            Oddity::HugeHead => 40_000,
        }
    }
}
