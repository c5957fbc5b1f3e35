//! Head sampling: is a trace that begins here recorded?
//!
//! Asked only for calls whose caller brought no trace context; otherwise the caller's decision
//! stands, or traces would have holes. Knows neither spans nor where they go.

/// Share of the traces begun here that are recorded. Parts per million; default 10,000 (1 %).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sampling(u32);

const MILLION: u32 = 1_000_000;

impl Sampling {
    /// No trace.
    pub const NONE: Sampling = Sampling(0);

    /// Every trace.
    pub const ALL: Sampling = Sampling(MILLION);

    /// A share in parts per million, 0 to 1,000,000; `None` above.
    pub fn new(parts_per_million: u32) -> Option<Sampling> {
        (parts_per_million <= MILLION).then_some(Sampling(parts_per_million))
    }

    /// Decides for one trace, by a number drawn evenly from all `u64`.
    pub fn decide(self, random: u64) -> bool {
        random % u64::from(MILLION) < u64::from(self.0)
    }
}

impl Default for Sampling {
    fn default() -> Sampling {
        Sampling(10_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_taken_of_a_million_numbers() {
        let cases = [
            ("none", Sampling::NONE, 0),
            ("the default, 1 %", Sampling::default(), 10_000),
            ("one in a million", Sampling(1), 1),
            ("all", Sampling::ALL, 1_000_000),
        ];
        for (rule, sampling, expected) in cases {
            let taken = (0..1_000_000).filter(|random| sampling.decide(*random));
            assert_eq!(taken.count(), expected, "{rule}");
        }
    }

    #[test]
    fn more_than_all_is_no_share() {
        assert_eq!(Sampling::new(1_000_000), Some(Sampling::ALL));
        assert_eq!(Sampling::new(1_000_001), None);
    }
}
