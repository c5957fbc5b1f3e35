//! Counts of calls and faults over a sliding window, in ten slices.
//!
//! Faults are counted in halves, so that a half fault is a whole number.

use std::time::Duration;

use crate::{Class, Tick};

const SLICES: u64 = 10;

/// A fault, in halves.
pub(super) const FAULT: u32 = 2;

/// Evidence that the end of an attempt gives about its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// It works.
    Good,
    /// It failed, this many halves.
    Bad(u32),
    /// It says nothing of its health.
    None,
}

/// A caller's fault is a proper answer. An overload is neither: the endpoint lives, but to
/// count it as good would reset a row of failures, and as bad would shift its load to others.
pub(super) const fn evidence(class: Class) -> Evidence {
    match class {
        Class::Success | Class::CallerFault => Evidence::Good,
        Class::EndpointFault => Evidence::Bad(FAULT),
        Class::HalfFault => Evidence::Bad(1),
        Class::Overload | Class::Neutral => Evidence::None,
    }
}

/// The last ten slices; the newest ends now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    slices: [Slice; SLICES as usize],
    /// Number of the newest slice since the start of the process.
    newest: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slice {
    calls: u32,
    fault_halves: u32,
}

impl Window {
    /// Adds the end of a call with `fault_halves` of faults.
    pub(super) fn add(mut self, length: Duration, now: Tick, fault_halves: u32) -> Window {
        let number = slice_number(length, now).max(self.newest);
        let fresh = (number - self.newest).min(SLICES);
        for offset in 0..fresh {
            self.slices[((number - offset) % SLICES) as usize] = Slice::default();
        }
        self.newest = number;
        let slice = &mut self.slices[(number % SLICES) as usize];
        slice.calls = slice.calls.saturating_add(1);
        slice.fault_halves = slice.fault_halves.saturating_add(fault_halves);
        self
    }

    /// Calls and halves of faults in the window that ends with the newest slice.
    pub(super) fn totals(&self) -> (u64, u64) {
        let calls = self.slices.iter().map(|slice| u64::from(slice.calls)).sum();
        let halves = self
            .slices
            .iter()
            .map(|slice| u64::from(slice.fault_halves))
            .sum();
        (calls, halves)
    }
}

fn slice_number(length: Duration, now: Tick) -> u64 {
    let slice_nanos = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX) / SLICES;
    now.as_nanos() / slice_nanos.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN_SECONDS: Duration = Duration::from_secs(10);

    fn add(window: Window, millis: u64, fault_halves: u32) -> Window {
        window.add(
            TEN_SECONDS,
            Tick::from_nanos(millis * 1_000_000),
            fault_halves,
        )
    }

    #[test]
    fn counts_the_last_ten_slices_and_forgets_the_rest() {
        let window = add(add(Window::default(), 0, 2), 9_999, 1);
        assert_eq!(window.totals(), (2, 3));
        assert_eq!(add(window, 10_000, 0).totals(), (2, 1));
        assert_eq!(add(window, 19_000, 0).totals(), (1, 0));
        assert_eq!(add(window, 1_000_000_000, 2).totals(), (1, 2));
    }

    #[test]
    fn a_clock_that_steps_back_counts_in_the_newest_slice() {
        assert_eq!(
            add(add(Window::default(), 5_000, 0), 1_000, 2).totals(),
            (2, 2)
        );
    }

    #[test]
    fn a_window_without_length_does_not_panic() {
        let window = Window::default().add(Duration::ZERO, Tick::MAX, 2);
        assert_eq!(window.totals(), (1, 2));
    }
}
