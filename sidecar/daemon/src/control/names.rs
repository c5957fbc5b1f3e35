//! Host names of endpoints: their present addresses and when to look them up again.
//!
//! Pure state: answers go in, addresses and the next due time come out; `resolve` does the lookups. A failed
//! lookup keeps the last good answer for ever. An empty answer counts as a mistake the first time
//! and removes the addresses the second time in a row. Names we no longer need are forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use outrider_policy::{Family, Tick};

use super::answer::{Answer, Resolved};

/// Shortest life of an answer. 1 s; with less, short TTLs would cause a lookup all the time.
pub const TTL_MIN: Duration = Duration::from_secs(1);

/// Longest life of an answer. 1 h; a longer TTL would keep a moved service unreachable for longer.
pub const TTL_MAX: Duration = Duration::from_secs(3_600);

/// Time from an empty answer to the lookup that decides.
const CONFIRM_AFTER: Duration = Duration::from_secs(1);

/// Time from a failed lookup to the next, while addresses are known. Without any it is [`TTL_MIN`].
const FAILED_AFTER: Duration = Duration::from_secs(5);

/// One name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// Its addresses, sorted; empty until the first answer.
    pub addresses: Vec<IpAddr>,
    /// Why the last lookup gave no addresses; `None` after a good one.
    pub problem: Option<String>,
    /// Which of the names tried has the addresses.
    answered_by: String,
    nothings: u8,
    due: Tick,
    asked: bool,
    /// The machine's files changed during the lookup.
    is_outdated: bool,
}

/// All names of the present configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(BTreeMap<String, Name>);

impl Names {
    /// Keeps exactly `hosts`: new ones are due at once, others are forgotten.
    pub fn follow(&mut self, hosts: BTreeSet<String>) {
        self.0.retain(|host, _| hosts.contains(host));
        for host in hosts {
            self.0.entry(host).or_default();
        }
    }

    /// Takes the names to look up at `now`; each stays taken until its answer is recorded.
    pub fn take_due(&mut self, now: Tick) -> Vec<String> {
        let due = self
            .0
            .iter_mut()
            .filter(|(_, name)| !name.asked && name.due <= now);
        due.map(|(host, name)| {
            name.asked = true;
            host.clone()
        })
        .collect()
    }

    /// Are there no names?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The machine's files have changed: every name is due, and lookups that run are repeated.
    pub fn ask_again(&mut self, now: Tick) {
        for name in self.0.values_mut() {
            name.is_outdated = name.asked;
            name.due = now;
        }
    }

    /// When the next name is due; `None` when there is none to wait for.
    pub fn next_due(&self) -> Option<Tick> {
        self.0
            .values()
            .filter(|name| !name.asked)
            .map(|name| name.due)
            .min()
    }

    /// Is there a name that never had an answer, good or bad?
    pub fn any_unanswered(&self) -> bool {
        self.0
            .values()
            .any(|name| name.addresses.is_empty() && name.problem.is_none())
    }

    /// Takes an answer. Returns whether the addresses of `host` changed.
    pub fn record(&mut self, now: Tick, host: &str, answer: Answer) -> bool {
        // Forgotten during the lookup.
        let Some(name) = self.0.get_mut(host) else {
            return false;
        };
        name.asked = false;
        let changed = name.record(now, answer);
        if std::mem::take(&mut name.is_outdated) {
            name.due = now;
        }
        changed
    }

    /// The state of `host`.
    pub fn find(&self, host: &str) -> Option<&Name> {
        self.0.get(host)
    }

    /// The addresses of `host`; empty when unknown.
    pub fn addresses(&self, host: &str) -> &[IpAddr] {
        self.0.get(host).map_or(&[], |name| &name.addresses)
    }

    /// All names with their state, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Name)> {
        self.0.iter().map(|(host, name)| (host.as_str(), name))
    }
}

impl Name {
    fn record(&mut self, now: Tick, answer: Answer) -> bool {
        match answer {
            Answer::Resolved(found) => match self.contradicted(&found) {
                Some(why) => self.keep(now, why),
                None => self.take(now, found),
            },
            Answer::Nothing(how) => {
                self.nothings = self.nothings.saturating_add(1);
                self.problem = Some(how);
                self.due = now + CONFIRM_AFTER;
                self.nothings >= 2 && self.replace(Vec::new())
            }
            Answer::Failed(why) => self.keep(now, why),
        }
    }

    /// Why the answer does not count: the name that gave the last good answer did not answer, and
    /// this is the answer of a later name in the search list, so of another host.
    fn contradicted(&self, found: &Resolved) -> Option<String> {
        let mut failed = found.failed.iter();
        let (name, why) = failed.find(|(name, _)| *name == self.answered_by)?;
        (!self.addresses.is_empty()).then(|| format!("{why} for {name}"))
    }

    fn take(&mut self, now: Tick, found: Resolved) -> bool {
        let mut addresses = found.addresses;
        let is_whole = found.unanswered.is_none() && found.failed.is_empty();
        let same_name = self.answered_by == found.name;
        // The family that gave no answer keeps its last good one.
        if let Some(family) = found.unanswered.filter(|_| same_name) {
            addresses.extend(
                self.addresses
                    .iter()
                    .filter(|it| Family::of_ip(it) == family),
            );
        }
        addresses.sort_unstable();
        addresses.dedup();
        self.nothings = 0;
        self.problem = None;
        self.answered_by = found.name;
        let life = found.ttl.clamp(TTL_MIN, TTL_MAX);
        self.due = now
            + if is_whole {
                life
            } else {
                life.min(FAILED_AFTER)
            };
        self.replace(addresses)
    }

    fn keep(&mut self, now: Tick, why: String) -> bool {
        self.nothings = 0;
        self.problem = Some(why);
        self.due = now
            + match self.addresses.is_empty() {
                true => TTL_MIN,
                false => FAILED_AFTER,
            };
        false
    }

    fn replace(&mut self, addresses: Vec<IpAddr>) -> bool {
        let changed = self.addresses != addresses;
        self.addresses = addresses;
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(last: u8, ttl_seconds: u64) -> Answer {
        Answer::Resolved(Resolved {
            ttl: Duration::from_secs(ttl_seconds),
            ..Resolved::new("orders.", vec![IpAddr::from([10, 0, 0, last])])
        })
    }

    fn nothing() -> Answer {
        Answer::Nothing("no such name".to_owned())
    }

    fn failed() -> Answer {
        Answer::Failed("timed out".to_owned())
    }

    fn seconds(count: u64) -> Tick {
        Tick::ZERO + Duration::from_secs(count)
    }

    /// The last octets known after `answers` came one after the other.
    fn known_after(answers: impl IntoIterator<Item = Answer>) -> Vec<u8> {
        let mut names = Names::default();
        names.follow(BTreeSet::from(["orders".to_owned()]));
        for answer in answers {
            names.record(Tick::ZERO, "orders", answer);
        }
        let last_octet = |address: &IpAddr| match address {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(_) => unreachable!("the tests use IPv4"),
        };
        names.addresses("orders").iter().map(last_octet).collect()
    }

    #[test]
    fn what_a_name_stands_for() {
        let cases: [(&str, Vec<Answer>, &[u8]); 7] = [
            ("nothing before the first answer", vec![], &[]),
            ("a good answer counts", vec![found(1, 5)], &[1]),
            (
                "a newer answer replaces it",
                vec![found(1, 5), found(2, 5)],
                &[2],
            ),
            (
                "a failure keeps the last good",
                vec![found(1, 5), failed(), failed(), failed()],
                &[1],
            ),
            (
                "one empty answer is a mistake",
                vec![found(1, 5), nothing()],
                &[1],
            ),
            (
                "two in a row remove",
                vec![found(1, 5), nothing(), nothing()],
                &[],
            ),
            (
                "a failure between two empty answers starts anew",
                vec![found(1, 5), nothing(), failed(), nothing()],
                &[1],
            ),
        ];
        for (rule, answers, expected) in cases {
            assert_eq!(known_after(answers), expected, "{rule}");
        }
    }

    #[test]
    fn asks_again_when_the_answer_has_expired_within_the_floor_and_the_ceiling() {
        let cases = [(0, 1), (1, 1), (30, 30), (86_400, 3_600)];
        for (ttl_seconds, due_seconds) in cases {
            let mut names = Names::default();
            names.follow(BTreeSet::from(["orders".to_owned()]));
            assert_eq!(names.take_due(Tick::ZERO), ["orders"]);
            names.record(Tick::ZERO, "orders", found(1, ttl_seconds));
            assert_eq!(
                names.next_due(),
                Some(seconds(due_seconds)),
                "ttl {ttl_seconds} s"
            );
        }
    }

    #[test]
    fn a_family_that_gives_no_answer_keeps_its_last_good_one() {
        let (ipv4, ipv6) = (
            IpAddr::from([10, 0, 0, 1]),
            IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 1]),
        );
        let answer = |name: &str, addresses: &[IpAddr], unanswered| {
            Answer::Resolved(Resolved {
                unanswered,
                ..Resolved::new(name, addresses.to_vec())
            })
        };
        let both = answer("orders.", &[ipv4, ipv6], None);
        let cases = [
            (
                "no AAAA answer",
                answer("orders.", &[ipv4], Some(Family::Ipv6)),
                vec![ipv4, ipv6],
            ),
            (
                "no A answer",
                answer("orders.", &[ipv6], Some(Family::Ipv4)),
                vec![ipv4, ipv6],
            ),
            ("AAAA denied", answer("orders.", &[ipv4], None), vec![ipv4]),
            (
                "another name of the search list",
                answer("orders.b.", &[ipv4], Some(Family::Ipv6)),
                vec![ipv4],
            ),
        ];
        for (rule, second, expected) in cases {
            let mut names = Names::default();
            names.follow(BTreeSet::from(["orders".to_owned()]));
            names.record(Tick::ZERO, "orders", both.clone());
            names.record(Tick::ZERO, "orders", second);
            assert_eq!(names.addresses("orders"), expected, "{rule}");
        }
    }

    #[test]
    fn all_are_asked_again_when_a_file_has_changed() {
        let mut names = Names::default();
        names.follow(BTreeSet::from(["orders".to_owned(), "payments".to_owned()]));
        names.take_due(Tick::ZERO);
        names.record(Tick::ZERO, "orders", found(1, 3_600));
        names.ask_again(seconds(2));
        assert_eq!(
            names.take_due(seconds(2)),
            ["orders"],
            "payments is asked already"
        );
        names.record(seconds(2), "payments", found(2, 3_600));
        assert_eq!(
            names.take_due(seconds(2)),
            ["payments"],
            "its answer is of the old file"
        );
        names.record(seconds(2), "payments", found(2, 3_600));
        assert!(names.take_due(seconds(3)).is_empty());
    }

    #[test]
    fn asks_once_at_a_time() {
        let mut names = Names::default();
        names.follow(BTreeSet::from(["orders".to_owned()]));
        assert_eq!(names.take_due(Tick::ZERO), ["orders"]);
        assert!(names.take_due(seconds(100)).is_empty());
        assert_eq!(names.next_due(), None);
    }

    #[test]
    fn an_answer_for_a_forgotten_name_is_dropped() {
        let mut names = Names::default();
        assert!(!names.record(Tick::ZERO, "orders", found(1, 5)));
        assert!(names.addresses("orders").is_empty());
    }

    #[test]
    fn a_name_that_stays_keeps_its_addresses() {
        let mut names = Names::default();
        names.follow(BTreeSet::from(["orders".to_owned()]));
        names.record(Tick::ZERO, "orders", found(1, 5));
        names.follow(BTreeSet::from(["orders".to_owned(), "payments".to_owned()]));
        assert_eq!(names.addresses("orders").len(), 1);
        assert!(names.any_unanswered(), "payments is new");
    }
}
