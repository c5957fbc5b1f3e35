//! Priorities of endpoints: which of them a pick is among.
//!
//! Endpoints of the best priority are used while one of them is not out; while all are, those of the next
//! one are used beside them, so that each is still probed and comes back by itself. Unlike with Envoy no
//! share of the calls moves on while only some are out: `overprovisioning_factor` is not here yet.

/// Where the groups of one priority end among endpoints in the order of their priorities. The default: one
/// group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Priorities {
    /// Empty: there is one group.
    ends: Box<[usize]>,
}

impl Priorities {
    /// Of endpoints in order, the best priority, the lowest number, first.
    pub fn of_sorted(priorities: &[u32]) -> Priorities {
        let groups = priorities.chunk_by(|one, next| one == next);
        let ends = groups.scan(0, |end, group| {
            *end += group.len();
            Some(*end)
        });
        let ends: Box<[usize]> = ends.collect();
        match ends.len() {
            0 | 1 => Priorities::default(),
            _ => Priorities { ends },
        }
    }

    /// How many endpoints a pick is among, counted from the first: up to the end of the first group with one
    /// that `is_in`. All `count` of them, if none is.
    pub fn reach(&self, count: usize, is_in: impl Fn(usize) -> bool) -> usize {
        if self.ends.is_empty() {
            return count;
        }
        let first_in = (0..count).find(|index| is_in(*index));
        let end = |first: usize| self.ends.iter().copied().find(|end| first < *end);
        first_in.and_then(end).unwrap_or(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pick_reaches_to_the_first_priority_with_an_endpoint_that_is_in() {
        let cases: [(&str, &[u32], &[usize], usize); 7] = [
            ("one priority", &[0, 0, 0], &[2], 3),
            ("all are in", &[0, 0, 5, 9], &[0, 1, 2, 3], 2),
            ("one of the best is in", &[0, 0, 5, 9], &[1], 2),
            ("the best are out", &[0, 0, 5, 9], &[2, 3], 3),
            ("only the last is in", &[0, 0, 5, 9], &[3], 4),
            ("all are out", &[0, 0, 5, 9], &[], 4),
            ("none", &[], &[], 0),
        ];
        for (rule, priorities, are_in, expected) in cases {
            let found = Priorities::of_sorted(priorities);
            let reach = found.reach(priorities.len(), |index| are_in.contains(&index));
            assert_eq!(reach, expected, "{rule}");
        }
    }
}
