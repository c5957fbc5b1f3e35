//! How long a connection may live, and how a dead peer is distinguished from a quiet one.
//!
//! Numbers and two pure steps: [`Keepalive`] and [`jittered`]. Knows no socket and no timer; the
//! engine checks its connections and acts on the result. gRFC A8 (keepalive), A9 (age).

use std::time::Duration;

use crate::Tick;

/// Limits on the lives of connections and of what is on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// From accept to the end of the TLS handshake and of the peer's preface with its SETTINGS.
    /// Default 5 s; above 0. Much longer: silent peers hold sockets; much shorter: slow networks
    /// are shut out.
    pub handshake: Duration,
    /// From the first octet of a header block, or of any other frame that is gathered, to its last.
    /// Default 5 s; above 0.
    pub header_block: Duration,
    /// How long octets may be held for a peer that takes none of them; twelve times as long on a
    /// stream between sidecars. An idle stream holds none. Default 300 s; above 0.
    pub stalled: Duration,
    /// A connection without streams is closed after this long. `None`: never. Default 1 h.
    pub idle: Option<Duration>,
    /// A connection between sidecars is replaced at this age, give or take 10 %. `None`: at the end
    /// of its certificates only. Default 30 min (gRFC A9).
    pub age: Option<Duration>,
    /// Pings between sidecars. Default every 10 s, 5 s to answer.
    pub keepalive: KeepaliveRules,
    /// Pings to servers that are no sidecars, which may count them as abuse. Default every 5 min,
    /// the shortest interval a gRPC server must accept, 20 s to answer (gRFC A8).
    pub foreign_keepalive: KeepaliveRules,
}

/// When a silent peer is pinged. Only while streams are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepaliveRules {
    /// Silence before a ping. Above 0.
    pub every: Duration,
    /// Silence after the ping that means the peer is dead. Above 0.
    pub patience: Duration,
}

impl Default for Lifetimes {
    fn default() -> Lifetimes {
        Lifetimes {
            handshake: Duration::from_secs(5),
            header_block: Duration::from_secs(5),
            stalled: Duration::from_secs(300),
            idle: Some(Duration::from_secs(3_600)),
            age: Some(Duration::from_secs(1_800)),
            keepalive: KeepaliveRules {
                every: Duration::from_secs(10),
                patience: Duration::from_secs(5),
            },
            foreign_keepalive: KeepaliveRules {
                every: Duration::from_secs(300),
                patience: Duration::from_secs(20),
            },
        }
    }
}

impl Lifetimes {
    /// The least `foreign_keepalive.every`: a gRPC server counts pings that come more often as abuse
    /// (gRFC A8).
    pub const FOREIGN_KEEPALIVE_MIN: Duration = Duration::from_secs(10);
}

impl KeepaliveRules {
    /// The rules for a server that called our pings too many, `times` so often: each time halves
    /// them (gRFC A8).
    pub fn backed_off(self, times: u8) -> KeepaliveRules {
        KeepaliveRules {
            every: self.every.saturating_mul(1 << times.min(BACK_OFFS_MAX)),
            ..self
        }
    }
}

/// 5 min times 2^10 is half a week; more would only overflow.
const BACK_OFFS_MAX: u8 = 10;

/// State of the keepalive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keepalive {
    /// No ping is unanswered.
    #[default]
    Idle,
    /// Pinged at this time.
    Pinged(Tick),
}

/// What the keepalive asks the engine to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepaliveAction {
    /// Nothing: no stream is open.
    Nothing,
    /// Check again at this time.
    CheckAt(Tick),
    /// Send a ping, and check again at this time.
    Ping(Tick),
    /// The peer did not answer the ping: it is dead.
    PeerLost,
}

impl Keepalive {
    /// One check. `heard` is when the last octet came, `is_busy` whether a stream is open.
    ///
    /// Any octet counts as an answer, so a slow peer that still sends is never called dead.
    pub fn step(
        self,
        rules: &KeepaliveRules,
        now: Tick,
        heard: Tick,
        is_busy: bool,
    ) -> (Keepalive, KeepaliveAction) {
        match self {
            // Not `heard > at`: the peer was silent before the ping, so an octet in that instant is new.
            Keepalive::Pinged(at) if heard < at => {
                let patience_ends = at + rules.patience;
                let action = match now >= patience_ends {
                    true => KeepaliveAction::PeerLost,
                    false => KeepaliveAction::CheckAt(patience_ends),
                };
                (self, action)
            }
            Keepalive::Idle | Keepalive::Pinged(_) => {
                let silence_ends = heard + rules.every;
                match (is_busy, now >= silence_ends) {
                    (false, _) => (Keepalive::Idle, KeepaliveAction::Nothing),
                    (true, false) => (Keepalive::Idle, KeepaliveAction::CheckAt(silence_ends)),
                    (true, true) => (
                        Keepalive::Pinged(now),
                        KeepaliveAction::Ping(now + rules.patience),
                    ),
                }
            }
        }
    }
}

/// `span` give or take 10 %, so that connections opened together do not end together.
pub fn jittered(span: Duration, random: u64) -> Duration {
    let share = random % 201;
    let per_mille = 900 + u32::try_from(share).unwrap_or(0);
    (span / 1_000).saturating_mul(per_mille)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: KeepaliveRules = KeepaliveRules {
        every: Duration::from_secs(10),
        patience: Duration::from_secs(5),
    };

    fn at(seconds: u64) -> Tick {
        Tick::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_silent_peer_is_asked_and_then_given_up() {
        use Keepalive::{Idle, Pinged};
        use KeepaliveAction::{CheckAt, Nothing, PeerLost, Ping};
        // (before, now, heard, busy) -> (after, what to do)
        let cases = [
            ("heard lately", (Idle, 9, 5, true), (Idle, CheckAt(at(15)))),
            (
                "silent",
                (Idle, 20, 10, true),
                (Pinged(at(20)), Ping(at(25))),
            ),
            ("silent but idle", (Idle, 99, 10, false), (Idle, Nothing)),
            (
                "waiting",
                (Pinged(at(20)), 24, 10, true),
                (Pinged(at(20)), CheckAt(at(25))),
            ),
            (
                "no answer",
                (Pinged(at(20)), 25, 10, true),
                (Pinged(at(20)), PeerLost),
            ),
            (
                "no answer, idle since",
                (Pinged(at(20)), 25, 10, false),
                (Pinged(at(20)), PeerLost),
            ),
            (
                "an answer",
                (Pinged(at(20)), 25, 21, true),
                (Idle, CheckAt(at(31))),
            ),
            (
                "an answer at once",
                (Pinged(at(20)), 25, 20, true),
                (Idle, CheckAt(at(30))),
            ),
        ];
        for (name, (before, now, heard, is_busy), expected) in cases {
            let found = before.step(&RULES, at(now), at(heard), is_busy);
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn a_server_that_minds_is_asked_half_as_often_each_time() {
        let every = |times| RULES.backed_off(times).every.as_secs();
        assert_eq!((every(0), every(1), every(3)), (10, 20, 80));
        assert_eq!(every(u8::MAX), 10 << BACK_OFFS_MAX);
    }

    #[test]
    fn ages_differ_by_a_tenth_at_most() {
        let span = Duration::from_secs(1_000);
        let ends = |random| jittered(span, random).as_secs();
        assert_eq!((ends(0), ends(100), ends(200)), (900, 1_000, 1_100));
        assert_eq!(jittered(Duration::MAX, 200).as_secs() / u64::MAX, 1);
    }
}
