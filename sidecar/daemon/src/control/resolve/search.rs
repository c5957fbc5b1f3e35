//! The names that are tried for one host, and what their answers mean together.
//!
//! The order is that of glibc's `res_nsearch`; the rule for the answers is not. glibc soon treats a name for
//! which a server failed like one that does not exist. Here a host is denied only when every name tried is.

use std::net::IpAddr;
use std::time::Duration;

use outrider_policy::Family;

use super::resolv_conf::Settings;
use crate::control::answer::{Answer, Resolved};

/// Longest name as text, with the dot at its end (RFC 1035 2.3.4).
const NAME_BYTES_MAX: usize = 254;

/// The outcome of one lookup of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupOutcome {
    /// It has addresses.
    Addresses {
        /// At least one.
        addresses: Vec<IpAddr>,
        /// For how long they are valid.
        ttl: Duration,
        /// The family for which no answer came.
        unanswered: Option<Family>,
    },
    /// It does not exist, or has no address.
    Denied(&'static str),
    /// No usable answer, and why.
    Failed(String),
    /// No answer in time.
    Silence,
}

/// The names to try, absolute and in order.
pub fn names_tried(host: &str, settings: &Settings) -> Vec<String> {
    if host.ends_with('.') {
        return vec![host.to_owned()];
    }
    let as_it_is = format!("{host}.");
    let dots = host.matches('.').count();
    let mut names = Vec::new();
    if dots >= settings.ndots {
        names.push(as_it_is.clone());
    }
    names.extend(settings.search.iter().map(|suffix| match suffix.as_str() {
        "" => as_it_is.clone(),
        suffix => format!("{host}.{suffix}."),
    }));
    if dots > 0 || settings.search.is_empty() || !settings.no_tld_query {
        names.push(as_it_is);
    }
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| name.len() <= NAME_BYTES_MAX && seen.insert(name.clone()));
    names
}

/// The result for the host; `tried` ends with the first name that has addresses.
pub fn verdict(tried: Vec<(String, LookupOutcome)>) -> Answer {
    let mut failed = Vec::new();
    let mut denied = Vec::new();
    for (name, outcome) in tried {
        match outcome {
            LookupOutcome::Addresses {
                addresses,
                ttl,
                unanswered,
            } => {
                return Answer::Resolved(Resolved {
                    name,
                    addresses,
                    ttl,
                    unanswered,
                    failed,
                });
            }
            LookupOutcome::Denied(how) => denied.push(format!("{how} for {name}")),
            LookupOutcome::Failed(why) => failed.push((name, why)),
            LookupOutcome::Silence => failed.push((name, "no answer in time".to_owned())),
        }
    }
    if failed.is_empty() {
        return Answer::Nothing(denied.join(", "));
    }
    let failed = failed.iter().map(|(name, why)| format!("{why} for {name}"));
    Answer::Failed(failed.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::names::Names;
    use outrider_policy::Tick;
    use std::collections::BTreeSet;

    fn settings(ndots: usize, search: &[&str]) -> Settings {
        Settings {
            ndots,
            search: search.iter().map(ToString::to_string).collect(),
            ..Settings::default()
        }
    }

    #[test]
    fn the_names_tried_are_those_of_the_c_library() {
        let corp: &[&str] = &["corp.test"];
        let pod: &[&str] = &["ns.svc.cluster.local", "svc.cluster.local", "cluster.local"];
        let cases: [(&str, usize, &[&str], &[&str]); 9] = [
            ("orders", 1, &[], &["orders."]),
            ("orders", 1, corp, &["orders.corp.test.", "orders."]),
            ("orders.x", 1, corp, &["orders.x.", "orders.x.corp.test."]),
            ("orders.x", 2, corp, &["orders.x.corp.test.", "orders.x."]),
            ("orders", 0, corp, &["orders.", "orders.corp.test."]),
            ("orders.", 5, corp, &["orders."]),
            ("orders", 1, &[""], &["orders."]),
            ("a.b", 1, &["", "x"], &["a.b.", "a.b.x."]),
            (
                "orders.ns",
                5,
                pod,
                &[
                    "orders.ns.ns.svc.cluster.local.",
                    "orders.ns.svc.cluster.local.",
                    "orders.ns.cluster.local.",
                    "orders.ns.",
                ],
            ),
        ];
        for (host, ndots, search, expected) in cases {
            let names = names_tried(host, &settings(ndots, search));
            assert_eq!(names, expected, "{host} ndots:{ndots} {search:?}");
        }
        let bare = Settings {
            no_tld_query: true,
            ..settings(1, corp)
        };
        assert_eq!(names_tried("orders", &bare), ["orders.corp.test."]);
    }

    /// What a name server may answer for a name.
    const ALL: [&str; 6] = [
        "address",
        "NXDOMAIN",
        "no address",
        "SERVFAIL",
        "REFUSED",
        "silence",
    ];

    fn outcome(what: &'static str, last: u8) -> LookupOutcome {
        match what {
            "address" => LookupOutcome::Addresses {
                addresses: vec![IpAddr::from([10, 0, 0, last])],
                ttl: Duration::from_secs(30),
                unanswered: None,
            },
            "NXDOMAIN" | "no address" => LookupOutcome::Denied(what),
            "silence" => LookupOutcome::Silence,
            other => LookupOutcome::Failed(other.to_owned()),
        }
    }

    /// The names tried up to the first with an address, and the answers for them.
    fn tried(round: [&'static str; 3]) -> Vec<(String, LookupOutcome)> {
        let names = ["orders.a.test.", "orders.b.test.", "orders."];
        let mut tried = Vec::new();
        for ((name, what), last) in names.iter().zip(round).zip(1..) {
            tried.push(((*name).to_owned(), outcome(what, last)));
            if what == "address" {
                break;
            }
        }
        tried
    }

    /// Last octets of what is known after the rounds.
    fn known_after(rounds: &[[&'static str; 3]]) -> Vec<u8> {
        let mut names = Names::default();
        names.follow(BTreeSet::from(["orders".to_owned()]));
        for round in rounds {
            names.record(Tick::ZERO, "orders", verdict(tried(*round)));
        }
        let last_octet = |address: &IpAddr| match address {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(_) => unreachable!("the tests use IPv4"),
        };
        names.addresses("orders").iter().map(last_octet).collect()
    }

    fn all_rounds() -> impl Iterator<Item = [&'static str; 3]> {
        let second = |first| ALL.map(|second| (first, second));
        let third = |(first, second)| ALL.map(|third| [first, second, third]);
        ALL.into_iter().flat_map(second).flat_map(third)
    }

    /// The rule, in other words than the code: which last octets are known after `round` came twice
    /// where `last_good` was known before, from the name with that number.
    fn expected(last_good: u8, round: [&'static str; 3]) -> Vec<u8> {
        let is_denied = |what: &str| matches!(what, "NXDOMAIN" | "no address");
        let answers = round.iter().position(|what| *what == "address");
        let before = &round[..answers.unwrap_or(round.len())];
        let own = before.get(usize::from(last_good) - 1);
        match answers {
            // The name that gave the last good answer may still exist: a name after it is another host.
            Some(_) if own.is_some_and(|what| !is_denied(what)) => vec![last_good],
            Some(position) => vec![position as u8 + 1],
            None if before.iter().all(|what| is_denied(what)) => vec![],
            None => vec![last_good],
        }
    }

    #[test]
    fn the_last_good_answer_stays_until_every_name_tried_is_denied() {
        for last_good in 1..=3 {
            let mut first = ["NXDOMAIN"; 3];
            first[usize::from(last_good) - 1] = "address";
            for round in all_rounds() {
                let known = known_after(&[first, round, round]);
                assert_eq!(
                    known,
                    expected(last_good, round),
                    "{first:?}, then {round:?}"
                );
            }
        }
    }

    #[test]
    fn without_a_last_good_answer_the_first_name_with_an_address_counts() {
        for round in all_rounds() {
            let position = round.iter().position(|what| *what == "address");
            let expected: Vec<u8> = position.map(|it| it as u8 + 1).into_iter().collect();
            assert_eq!(known_after(&[round, round]), expected, "{round:?}");
        }
    }

    #[test]
    fn the_cause_names_each_name_and_what_was_said() {
        let answer = verdict(tried(["NXDOMAIN", "SERVFAIL", "REFUSED"]));
        let failed = "SERVFAIL for orders.b.test., REFUSED for orders.";
        assert_eq!(answer, Answer::Failed(failed.to_owned()));
        let answer = verdict(tried(["NXDOMAIN", "no address", "NXDOMAIN"]));
        let denied =
            "NXDOMAIN for orders.a.test., no address for orders.b.test., NXDOMAIN for orders.";
        assert_eq!(answer, Answer::Nothing(denied.to_owned()));
    }
}
