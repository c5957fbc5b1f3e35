//! What a client asked for, of one kind: names, or everything (`*`).
//!
//! Decides how each protocol's request changes that. Knows nothing of what exists.
//! Reference: the xDS protocol, "How the client specifies what resources to return".

use std::collections::BTreeSet;

use outrider_proto::Kind;

const WILDCARD: &str = "*";

/// The names a client wants. The default wants nothing.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Subscription {
    pub wildcard: bool,
    /// Names and aliases, without `*`.
    pub names: BTreeSet<String>,
    /// A name was given at some time on this stream: no list at all no longer means `*`.
    explicit: bool,
}

impl Subscription {
    /// State of the world: each request lists everything that is wanted.
    pub fn replace(&mut self, kind: Kind, names: Vec<String>) {
        self.explicit |= !names.is_empty();
        self.names = names.into_iter().collect();
        let starred = kind.is_whole() && self.names.remove(WILDCARD);
        self.wildcard = starred || self.is_legacy_wildcard(kind);
    }

    /// Delta: each request says what is wanted in addition and what no longer.
    pub fn change(&mut self, kind: Kind, subscribe: &[String], unsubscribe: &[String]) {
        let starred = |names: &[String]| kind.is_whole() && names.iter().any(|n| n == WILDCARD);
        self.explicit |= !subscribe.is_empty() || starred(unsubscribe);
        self.wildcard |= starred(subscribe) || self.is_legacy_wildcard(kind);
        self.wildcard &= !starred(unsubscribe);
        self.names.extend(subscribe.iter().cloned());
        for name in unsubscribe {
            self.names.remove(name);
        }
        if kind.is_whole() {
            self.names.remove(WILDCARD);
        }
    }

    fn is_legacy_wildcard(&self, kind: Kind) -> bool {
        kind.is_whole() && !self.explicit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    type Case<'c> = (&'c str, Kind, &'c [&'c [&'c str]], bool, &'c [&'c str]);

    #[test]
    fn a_list_replaces_the_one_before() {
        let cases: [Case<'_>; 6] = [
            ("no name yet is all", Kind::Cluster, &[&[]], true, &[]),
            ("of routes it is none", Kind::Routes, &[&[]], false, &[]),
            (
                "a name ends it",
                Kind::Cluster,
                &[&[], &["a"]],
                false,
                &["a"],
            ),
            (
                "then empty is none",
                Kind::Cluster,
                &[&["a"], &[]],
                false,
                &[],
            ),
            (
                "a star is all",
                Kind::Listener,
                &[&["a"], &["*", "b"]],
                true,
                &["b"],
            ),
            (
                "a shorter list",
                Kind::Routes,
                &[&["a", "b"], &["b"]],
                false,
                &["b"],
            ),
        ];
        for (rule, kind, requests, wildcard, names) in cases {
            let mut subscription = Subscription::default();
            for names in requests {
                subscription.replace(kind, owned(names));
            }
            assert_eq!(subscription.wildcard, wildcard, "{rule}");
            assert_eq!(
                subscription.names,
                owned(names).into_iter().collect(),
                "{rule}"
            );
        }
    }

    /// Pairs of what is subscribed and unsubscribed.
    type Change<'c> = (&'c [&'c str], &'c [&'c str]);
    type DeltaCase<'c> = (&'c str, Kind, &'c [Change<'c>], bool, &'c [&'c str]);

    #[test]
    fn a_change_adds_and_removes() {
        let cases: [DeltaCase<'_>; 7] = [
            (
                "no name yet is all",
                Kind::Cluster,
                &[(&[], &[])],
                true,
                &[],
            ),
            (
                "of routes it is none",
                Kind::Routes,
                &[(&[], &[])],
                false,
                &[],
            ),
            (
                "a name first is no star",
                Kind::Cluster,
                &[(&["a"], &[])],
                false,
                &["a"],
            ),
            (
                "a name beside all",
                Kind::Cluster,
                &[(&[], &[]), (&["a"], &[])],
                true,
                &["a"],
            ),
            (
                "a star comes",
                Kind::Cluster,
                &[(&["a"], &[]), (&["*"], &[])],
                true,
                &["a"],
            ),
            (
                "and goes",
                Kind::Cluster,
                &[(&["*", "a"], &[]), (&[], &["*"])],
                false,
                &["a"],
            ),
            (
                "unknown names are harmless",
                Kind::Routes,
                &[(&["a"], &["b"])],
                false,
                &["a"],
            ),
        ];
        for (rule, kind, requests, wildcard, names) in cases {
            let mut subscription = Subscription::default();
            for (subscribe, unsubscribe) in requests {
                subscription.change(kind, &owned(subscribe), &owned(unsubscribe));
            }
            assert_eq!(subscription.wildcard, wildcard, "{rule}");
            assert_eq!(
                subscription.names,
                owned(names).into_iter().collect(),
                "{rule}"
            );
        }
    }
}
