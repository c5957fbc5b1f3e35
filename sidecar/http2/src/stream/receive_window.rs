//! The window we give a peer on one stream.
//!
//! Credit comes back when the owner passed the bytes on. A stream that drains gets a window
//! twice as large with each update, out of the worker's pool; one whose reader stalls falls
//! back to the initial window, so its memory is bounded by that again (RFC 9113 5.2).

use crate::WindowPool;

/// How windows may grow: the connection's rules and the worker's pool.
pub(crate) struct Growth<'a> {
    /// Size of every new window.
    pub(crate) initial: u32,
    /// Size that no window exceeds.
    pub(crate) max: u32,
    pub(crate) pool: &'a WindowPool,
}

#[derive(Copy, Clone, Debug)]
pub(crate) struct ReceiveWindow {
    /// What the peer may still send.
    open: u32,
    /// Received (or announced by a frame head) and not passed on.
    held: u32,
    /// What `open` and `held` may come to. `size - open - held` is due to be announced.
    size: u32,
    pace: Pace,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Pace {
    /// The owner passes bytes on as they come.
    Draining,
    /// More than half of the window was still held when something was passed on: no growth
    /// until all is.
    Stalled,
    /// The peer ended: nothing more is announced.
    Closed,
}

/// An update was made; whether the window grew with it.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Update {
    pub(crate) increment: u32,
    pub(crate) growth: Grown,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Grown {
    Yes,
    No,
    PoolSpent,
}

impl ReceiveWindow {
    pub(crate) fn new(initial: u32) -> ReceiveWindow {
        ReceiveWindow {
            open: initial,
            held: 0,
            size: initial,
            pace: Pace::Draining,
        }
    }

    /// A frame of `frame_len` octets began, `data_len` of them data; the rest is padding, due
    /// at once. False: more than the window allows.
    pub(crate) fn take(&mut self, frame_len: u32, data_len: u32) -> bool {
        let Some(open) = self.open.checked_sub(frame_len) else {
            return false;
        };
        self.open = open;
        self.held += data_len;
        true
    }

    /// The owner passed `bytes` on. An update to send, if one is due.
    pub(crate) fn credit(&mut self, growth: &Growth<'_>, bytes: usize) -> Option<Update> {
        self.held = self
            .held
            .saturating_sub(u32::try_from(bytes).unwrap_or(u32::MAX));
        if self.pace == Pace::Draining && self.held > self.size / 2 {
            self.pace = Pace::Stalled;
        }
        self.update(growth)
    }

    /// An update to send, if half the window is due.
    pub(crate) fn update(&mut self, growth: &Growth<'_>) -> Option<Update> {
        let was_draining = self.pace == Pace::Draining;
        self.fall_back(growth);
        let due = self.size - self.open - self.held;
        if self.pace == Pace::Closed || due == 0 || due < self.size / 2 {
            return None;
        }
        let size_before = self.size;
        let growth = if was_draining && self.held == 0 {
            self.grow(growth)
        } else {
            Grown::No
        };
        let increment = due + (self.size - size_before);
        self.open += increment;
        Some(Update { increment, growth })
    }

    /// The peer ended its side: growth goes back as what is held is passed on.
    pub(crate) fn close(&mut self, growth: &Growth<'_>) {
        self.pace = Pace::Closed;
        self.open = 0;
        self.fall_back(growth);
    }

    /// Growth that is to go back to the pool when the stream is forgotten.
    pub(crate) fn grown(&self, initial: u32) -> usize {
        (self.size - initial) as usize
    }

    /// What the peer may still send.
    pub(crate) fn open(&self) -> u32 {
        self.open
    }

    fn fall_back(&mut self, growth: &Growth<'_>) {
        if self.pace == Pace::Draining {
            return;
        }
        // What was announced cannot be taken back, only not be renewed.
        let size = growth.initial.max(self.open + self.held).min(self.size);
        growth.pool.give_back((self.size - size) as usize);
        self.size = size;
        if self.pace == Pace::Stalled && self.held == 0 {
            self.pace = Pace::Draining;
        }
    }

    fn grow(&mut self, growth: &Growth<'_>) -> Grown {
        let more = self.size.min(growth.max - self.size);
        if more == 0 {
            return Grown::No;
        }
        if !growth.pool.take(more as usize) {
            return Grown::PoolSpent;
        }
        self.size += more;
        Grown::Yes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn growth(pool: &WindowPool) -> Growth<'_> {
        Growth {
            initial: 100,
            max: 350,
            pool,
        }
    }

    /// Takes and passes on `bytes`; the increment announced.
    fn pass(window: &mut ReceiveWindow, growth: &Growth<'_>, bytes: u32) -> Option<u32> {
        assert!(window.take(bytes, bytes));
        window
            .credit(growth, bytes as usize)
            .map(|update| update.increment)
    }

    #[test]
    fn announces_when_half_is_due_and_doubles_while_draining() {
        let pool = WindowPool::new(1_000);
        let growth = growth(&pool);
        let mut window = ReceiveWindow::new(100);
        assert_eq!(pass(&mut window, &growth, 49), None);
        assert_eq!(pass(&mut window, &growth, 1), Some(50 + 100));
        assert_eq!(
            pass(&mut window, &growth, 100),
            Some(100 + 150),
            "up to the most"
        );
        assert_eq!(pass(&mut window, &growth, 100), None);
        assert_eq!(pass(&mut window, &growth, 75), Some(175), "no more growth");
        assert_eq!((window.open(), pool.left()), (350, 750));
    }

    #[test]
    fn a_spent_pool_means_no_growth() {
        let pool = WindowPool::new(99);
        let mut window = ReceiveWindow::new(100);
        assert!(window.take(50, 50));
        let update = window.credit(&growth(&pool), 50);
        assert_eq!(
            update,
            Some(Update {
                increment: 50,
                growth: Grown::PoolSpent
            })
        );
    }

    #[test]
    fn a_stalled_stream_is_credited_back_only_to_the_initial_window() {
        let pool = WindowPool::new(1_000);
        let growth = growth(&pool);
        let mut window = ReceiveWindow::new(100);
        assert_eq!(pass(&mut window, &growth, 50), Some(150));
        assert!(window.take(200, 200), "all of it, and nothing passed on");
        assert_eq!(window.credit(&growth, 50), None);
        assert_eq!(pool.left(), 950, "what is held still counts");
        assert_eq!(window.credit(&growth, 70), None);
        assert_eq!(pool.left(), 1_000, "growth is back");
        let update = window.credit(&growth, 30).map(|update| update.increment);
        assert_eq!(
            update,
            Some(50),
            "50 held and 50 announced: the initial window"
        );
    }

    #[test]
    fn more_than_the_window_is_refused() {
        let mut window = ReceiveWindow::new(100);
        assert!(window.take(100, 90));
        assert!(!window.take(1, 1));
    }

    #[test]
    fn padding_is_due_at_once() {
        let pool = WindowPool::new(0);
        let mut window = ReceiveWindow::new(100);
        assert!(window.take(60, 0));
        assert_eq!(
            window.update(&growth(&pool)).map(|update| update.increment),
            Some(60)
        );
    }

    #[test]
    fn a_closed_window_gives_growth_back_and_announces_nothing() {
        let pool = WindowPool::new(1_000);
        let growth = growth(&pool);
        let mut window = ReceiveWindow::new(100);
        assert_eq!(pass(&mut window, &growth, 50), Some(150));
        assert!(window.take(150, 150));
        window.close(&growth);
        assert_eq!(pool.left(), 950, "what is held still counts");
        assert_eq!(window.credit(&growth, 150), None);
        assert_eq!(pool.left(), 1_000);
    }

    proptest! {
        #[test]
        fn never_more_held_and_open_than_size_and_the_pool_balances(
            steps in prop::collection::vec((0..120_u32, 0..120_u32, 0..300_usize), 0..100), pool_bytes in 0..600_usize
        ) {
            let pool = WindowPool::new(pool_bytes);
            let growth = growth(&pool);
            let mut window = ReceiveWindow::new(100);
            let mut peers_view = 100_u32;
            for (data, padding, credit) in steps {
                let fits = data + padding <= peers_view;
                prop_assert_eq!(window.take(data + padding, data), fits);
                peers_view -= if fits { data + padding } else { 0 };
                peers_view += window.credit(&growth, credit).map_or(0, |update| update.increment);
                prop_assert_eq!(window.open, peers_view);
                prop_assert!(window.open + window.held <= window.size && window.size <= 350);
                prop_assert_eq!(pool.left() + window.grown(100), pool_bytes);
                prop_assert!(window.held > 0 || window.open >= 50, "a drained stream is never stuck");
            }
        }
    }
}
