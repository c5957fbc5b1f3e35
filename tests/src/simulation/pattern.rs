//! Bodies whose every octet is known from who sent it and where it stands.
//!
//! So a lost, doubled, swapped or foreign octet is seen at the first place it shows.

use super::random::Random;

/// Prime, so that no power of two of octets can go missing unseen.
const LENGTH: usize = 8_191;
/// More than any body piece that is checked at once.
const REPEATED: usize = LENGTH * 10;

/// The octets of all bodies, repeated so that any piece is one slice.
pub(super) struct Pattern(Vec<u8>);

/// Which body: the request of a call, or the answer of one delivery of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Request { call: usize },
    Answer { call: usize, delivery: usize },
}

impl Pattern {
    pub(super) fn new() -> Pattern {
        let mut random = Random::new(0x5eed);
        let once: Vec<u8> = (0..LENGTH).map(|_| random.next_u64() as u8).collect();
        Pattern(once.iter().copied().cycle().take(REPEATED).collect())
    }

    /// `count` octets of `body` from `position`; at most [`Pattern::PIECE_MAX`].
    pub(super) fn piece(&self, body: Body, position: usize, count: usize) -> &[u8] {
        let start = (body.start() + position) % LENGTH;
        &self.0[start..start + count]
    }

    /// Does `bytes` stand at `position` of `body`?
    pub(super) fn fits(&self, body: Body, position: usize, bytes: &[u8]) -> bool {
        let mut position = position;
        bytes.chunks(Self::PIECE_MAX).all(|chunk| {
            let fits = self.piece(body, position, chunk.len()) == chunk;
            position += chunk.len();
            fits
        })
    }

    pub(super) const PIECE_MAX: usize = REPEATED - LENGTH;
}

impl Body {
    fn start(self) -> usize {
        match self {
            Body::Request { call } => call * 97,
            Body::Answer { call, delivery } => 4_001 + call * 131 + delivery * 1_009,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Body, Pattern};

    #[test]
    fn a_piece_fits_its_own_place_only() {
        let pattern = Pattern::new();
        let body = Body::Request { call: 3 };
        let piece = pattern.piece(body, 70_000, 100);
        assert!(pattern.fits(body, 70_000, piece));
        assert!(!pattern.fits(body, 70_001, piece));
        assert!(!pattern.fits(Body::Request { call: 4 }, 70_000, piece));
    }
}
