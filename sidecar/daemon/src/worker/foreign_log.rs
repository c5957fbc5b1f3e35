//! One line for an operator whose clients speak another protocol, not one for each of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use outrider_engine::{Foreign, Side};
use outrider_policy::Tick;

/// Shortest time between two lines about the same mistake. The counter has each.
const LINE_INTERVAL: Duration = Duration::from_secs(60);

/// The last line of each mistake.
#[derive(Debug, Default)]
pub struct ForeignLog(BTreeMap<(Side, usize), LastLine>);

#[derive(Debug)]
struct LastLine {
    at: Tick,
    /// Mistakes without a line since then.
    suppressed: u64,
}

impl ForeignLog {
    /// A peer of `side` spoke `foreign`.
    pub fn note(&mut self, now: Tick, side: Side, peer: Option<SocketAddr>, foreign: Foreign) {
        let Some(suppressed) = self.due(now, side, foreign) else {
            return;
        };
        let peer = peer.map(tracing::field::display);
        tracing::warn!(
            side = side.name(),
            protocol = foreign.name(),
            peer,
            unsaid = suppressed,
            "{}",
            advice(side, foreign)
        );
    }

    /// Whether a line is due: `Some` with how many were suppressed since the last one.
    fn due(&mut self, now: Tick, side: Side, foreign: Foreign) -> Option<u64> {
        let last = self.0.get_mut(&(side, foreign.index()));
        if let Some(last) = last.filter(|last| now.since(last.at) < LINE_INTERVAL) {
            last.suppressed += 1;
            return None;
        }
        let fresh = LastLine {
            at: now,
            suppressed: 0,
        };
        let before = self.0.insert((side, foreign.index()), fresh);
        Some(before.map_or(0, |last| last.suppressed))
    }
}

fn advice(side: Side, foreign: Foreign) -> &'static str {
    match (side, foreign) {
        (Side::Outbound, Foreign::Tls) => {
            "a client speaks TLS to the outbound port, which is plaintext: let it call without TLS"
        }
        (Side::Outbound, Foreign::Http1 { .. }) => {
            "a client speaks HTTP/1 to the outbound port and was answered 505: let it speak HTTP/2"
        }
        (Side::Outbound, Foreign::Http2 | Foreign::Unknown) => {
            "a client speaks no protocol known here to the outbound port, which takes HTTP/2"
        }
        (Side::Inbound, _) => {
            "a client speaks no TLS to the inbound port, which is for other sidecars: let it call \
             through the outbound port of its own sidecar"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mistake_is_said_once_a_minute_and_another_one_at_once() {
        let http1 = Foreign::Http1 { is_head: false };
        let at = |seconds| Tick::ZERO + Duration::from_secs(seconds);
        let mut log = ForeignLog::default();
        for (seconds, side, foreign, expected) in [
            (0, Side::Outbound, Foreign::Tls, Some(0)),
            (1, Side::Outbound, Foreign::Tls, None),
            (1, Side::Outbound, http1, Some(0)),
            (2, Side::Inbound, http1, Some(0)),
            (59, Side::Outbound, Foreign::Tls, None),
            (60, Side::Outbound, Foreign::Tls, Some(2)),
            (
                61,
                Side::Outbound,
                Foreign::Http1 { is_head: true },
                Some(0),
            ),
        ] {
            assert_eq!(log.due(at(seconds), side, foreign), expected, "{seconds}");
        }
    }
}
