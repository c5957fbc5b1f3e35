//! How often each limit tripped: plain numbers for the owner's metrics.

use std::ops::AddAssign;

use crate::stream::Grown;

/// What a peer did more of than its budget allows; the connection ends with ENHANCE_YOUR_CALM.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Flood {
    /// Streams that we had to reset for it.
    Resets,
    /// WINDOW_UPDATE.
    WindowUpdates,
    /// SETTINGS.
    Settings,
    /// PING.
    Pings,
    /// Frames that do nothing, and streams that had to be refused.
    IdleFrames,
    /// DATA without data.
    EmptyData,
    /// A field block in too many frames or octets.
    FieldBlock,
    /// A field list over four times a limit.
    FieldList,
}

impl Flood {
    /// Every kind.
    pub const ALL: [Flood; 8] = [
        Flood::Resets,
        Flood::WindowUpdates,
        Flood::Settings,
        Flood::Pings,
        Flood::IdleFrames,
        Flood::EmptyData,
        Flood::FieldBlock,
        Flood::FieldList,
    ];

    /// Stable name, for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Flood::Resets => "flood_resets",
            Flood::WindowUpdates => "flood_window_updates",
            Flood::Settings => "flood_settings",
            Flood::Pings => "flood_pings",
            Flood::IdleFrames => "flood_idle_frames",
            Flood::EmptyData => "flood_empty_data",
            Flood::FieldBlock => "flood_field_block",
            Flood::FieldList => "flood_field_list",
        }
    }

    pub(super) fn reason(self) -> &'static str {
        match self {
            Flood::Resets => "too many resets",
            Flood::WindowUpdates => "too many WINDOW_UPDATE",
            Flood::Settings => "too many SETTINGS",
            Flood::Pings => "too many PING",
            Flood::IdleFrames => "too many frames without use",
            Flood::EmptyData => "too many empty DATA frames",
            Flood::FieldBlock => "field block too long",
            Flood::FieldList => "field list above four times the limit",
        }
    }
}

/// How often each limit tripped since the connection began.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// RST_STREAM received for streams that were open.
    pub resets_received: u64,
    /// Streams we reset because the peer broke a rule.
    pub resets_for_violations: u64,
    /// Streams refused over `max_concurrent_streams`.
    pub refused_over_limit: u64,
    /// Streams held for a moment because the reset budget was spent.
    pub held_for_resets: u64,
    /// Field lists over the limits.
    pub heads_too_large: u64,
    /// Times that reading stopped because too many answers were unsent.
    pub answers_unsent: u64,
    /// Times a stream's window could not grow because the pool was spent.
    pub windows_not_grown: u64,
    /// Values that had white space at an end, which was stripped. No limit, so not in
    /// [`by_limit`](Self::by_limit).
    pub values_stripped: u64,
    /// In the order of [`Flood::ALL`].
    floods: [u64; Flood::ALL.len()],
}

impl Counters {
    /// Connections that ended for this flood; of one connection 0 or 1.
    pub fn floods(&self, flood: Flood) -> u64 {
        self.floods[flood as usize]
    }

    /// Every limit by its stable name, for metrics.
    pub fn by_limit(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let others = [
            ("resets_received", self.resets_received),
            ("resets_for_violations", self.resets_for_violations),
            ("refused_over_limit", self.refused_over_limit),
            ("held_for_resets", self.held_for_resets),
            ("heads_too_large", self.heads_too_large),
            ("answers_unsent", self.answers_unsent),
            ("windows_not_grown", self.windows_not_grown),
        ];
        let floods = Flood::ALL.map(|flood| (flood.name(), self.floods(flood)));
        others.into_iter().chain(floods)
    }

    pub(super) fn note_flood(&mut self, flood: Flood) {
        self.floods[flood as usize] += 1;
    }

    pub(super) fn note_growth(&mut self, grown: Grown) {
        match grown {
            Grown::PoolSpent => self.windows_not_grown += 1,
            Grown::Yes | Grown::No => {}
        }
    }
}

impl AddAssign<&Counters> for Counters {
    fn add_assign(&mut self, other: &Counters) {
        let Counters {
            resets_received,
            resets_for_violations,
            refused_over_limit,
            held_for_resets,
            heads_too_large,
            answers_unsent,
            windows_not_grown,
            values_stripped,
            floods,
        } = other;
        self.resets_received += resets_received;
        self.resets_for_violations += resets_for_violations;
        self.refused_over_limit += refused_over_limit;
        self.held_for_resets += held_for_resets;
        self.heads_too_large += heads_too_large;
        self.answers_unsent += answers_unsent;
        self.windows_not_grown += windows_not_grown;
        self.values_stripped += values_stripped;
        for (sum, flood) in self.floods.iter_mut().zip(floods) {
            *sum += flood;
        }
    }
}
