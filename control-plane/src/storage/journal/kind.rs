//! The kinds of events, and which callers cause them.

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A sidecar has got its first certificate, by a token.
    Joined,
    /// A sidecar asked for its first certificate and did not get it.
    Refused,
    /// An instance has got its lease: it is an endpoint.
    Registered,
    /// An instance is no longer an endpoint.
    Left,
    /// A sidecar stops sending calls to an endpoint for a while.
    Ejected,
    /// A sidecar sends calls to the endpoint again.
    Returned,
    /// There is a new version of the documents.
    Applied,
    /// Documents, or what was made of them, were refused.
    Rejected,
    /// A certificate was renewed.
    Renewed,
    /// A step of a rollover of the root.
    Rotated,
    /// The disk takes no writes, or takes them again.
    Store,
    /// A join token was made or revoked.
    Token,
    /// A backup was made.
    Backup,
}

impl EventKind {
    const ALL: [EventKind; 13] = [
        EventKind::Joined,
        EventKind::Refused,
        EventKind::Registered,
        EventKind::Left,
        EventKind::Ejected,
        EventKind::Returned,
        EventKind::Applied,
        EventKind::Rejected,
        EventKind::Renewed,
        EventKind::Rotated,
        EventKind::Store,
        EventKind::Token,
        EventKind::Backup,
    ];

    /// The word of `MeshEvent.kind`.
    pub fn word(self) -> &'static str {
        match self {
            EventKind::Joined => "joined",
            EventKind::Refused => "refused",
            EventKind::Registered => "registered",
            EventKind::Left => "left",
            EventKind::Ejected => "ejected",
            EventKind::Returned => "returned",
            EventKind::Applied => "applied",
            EventKind::Rejected => "rejected",
            EventKind::Renewed => "renewed",
            EventKind::Rotated => "rotated",
            EventKind::Store => "store",
            EventKind::Token => "token",
            EventKind::Backup => "backup",
        }
    }

    /// Which callers can cause it, as often as they like.
    pub(super) fn origin(self) -> Origin {
        match self {
            EventKind::Applied | EventKind::Rotated | EventKind::Token | EventKind::Backup => {
                Origin::Operators
            }
            EventKind::Refused => Origin::Strangers,
            EventKind::Joined
            | EventKind::Registered
            | EventKind::Left
            | EventKind::Ejected
            | EventKind::Returned
            | EventKind::Rejected
            | EventKind::Renewed
            | EventKind::Store => Origin::Members,
        }
    }

    /// All words.
    pub fn words() -> impl Iterator<Item = &'static str> {
        EventKind::ALL.into_iter().map(EventKind::word)
    }

    /// The kind of that word.
    pub fn parse(word: &str) -> Option<EventKind> {
        let mut all = EventKind::ALL.into_iter();
        all.find(|kind| kind.word() == word)
    }
}

/// Which callers cause an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Operators,
    Members,
    /// Without a certificate, or even a token.
    Strangers,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_word() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::parse(kind.word()), Some(kind));
        }
        assert_eq!(EventKind::parse("exploded"), None);
    }
}
