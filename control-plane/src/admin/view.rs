//! Which services and sidecars the page shows: all of a small mesh; of a large one as many as a person
//! reads, those in trouble first. The others are found by name.
//!
//! Knows nothing of markup. `/status` has no limit and does not come here.

use serde::Deserialize;

/// Rows of a table after which no further service or sidecar begins. The last service is shown whole, with
/// all its instances. More rows help no reader: 10,000 are 2.2 MB every two seconds.
pub const ROWS_MAX: usize = 500;

/// What the address of the page asks for: `?service=PART`.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Filter {
    /// Part of the name of a service. Default empty: every service.
    #[serde(default)]
    pub service: String,
}

impl Filter {
    /// Is it looked for?
    pub fn finds(&self, service: &str) -> bool {
        service.contains(&self.service)
    }
}

/// How much of the mesh is wanted.
#[derive(Clone, Copy, Debug)]
pub enum Extent<'a> {
    /// All of it.
    All,
    /// What the filter finds, at most [`ROWS_MAX`] rows.
    Page(&'a Filter),
}

/// What a table shows of `found`: all, in the same order, or the first that fit, those in trouble first.
pub fn shown<T>(
    mut found: Vec<T>,
    rows: impl Fn(&T) -> usize,
    is_in_trouble: impl Fn(&T) -> bool,
) -> Vec<T> {
    if found.iter().map(&rows).sum::<usize>() <= ROWS_MAX {
        return found;
    }
    found.sort_by_cached_key(|it| !is_in_trouble(it));
    let mut rows_before = 0;
    let fits = |it: &T| {
        let fits = rows_before < ROWS_MAX;
        rows_before += rows(it);
        fits
    };
    found.into_iter().take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_keeps_its_order() {
        let all: Vec<usize> = (0..ROWS_MAX).collect();
        assert_eq!(shown(all.clone(), |_| 1, |it| *it == 7), all);
    }

    #[test]
    fn of_too_many_those_in_trouble_come_first() {
        let shown = shown((0..=ROWS_MAX).collect(), |_| 1, |it| *it >= ROWS_MAX - 1);
        assert_eq!(shown.len(), ROWS_MAX);
        assert_eq!(shown[..3], [ROWS_MAX - 1, ROWS_MAX, 0]);
    }

    #[test]
    fn the_last_service_is_whole_and_no_other_follows() {
        let rows = vec![1, ROWS_MAX + 1, 1];
        assert_eq!(shown(rows, |rows| *rows, |_| false), [1, ROWS_MAX + 1]);
    }

    #[test]
    fn a_service_is_found_by_any_part_of_its_name() {
        let filter = |part: &str| Filter {
            service: part.to_owned(),
        };
        for (part, expected) in [("", true), ("der", true), ("orders", true), ("cart", false)] {
            assert_eq!(filter(part).finds("orders"), expected, "{part}");
        }
    }
}
