//! The rules of leases, each as a table or a story.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::address_check::Verification::SourceAddress;
use super::change::{Announced, Change, LeaveReason, Registration, ServiceName};
use super::lease::Leases;
use super::lease_state::LeaseState;
use super::sweep;
use crate::members::MemberId;

mod members;

/// How often an instance announces itself in these stories: each third sweep.
const ANNOUNCED_EVERY: u32 = 3;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

fn name(namespace: &str) -> ServiceName {
    ServiceName {
        service: "orders".to_owned(),
        namespace: namespace.to_owned(),
    }
}

/// The first run at the address 10.0.0.`number`.
fn instance(number: u8) -> Announced {
    Announced {
        name: name("default"),
        member: MemberId::new([number; 8]),
        instance: format!("run-{number}"),
        address: SocketAddr::from((Ipv4Addr::new(10, 0, 0, number), 15006)),
    }
}

/// Leases with their clock.
struct Story {
    leases: Leases,
    now: Duration,
    published: Vec<u8>,
}

impl Story {
    /// A control plane that knows no instance: there is no grace.
    fn new() -> Story {
        Story::restarted(&[])
    }

    /// A control plane that has just started, with these instances written down.
    fn restarted(numbers: &[u8]) -> Story {
        let registrations = numbers.iter().map(|number| Registration {
            announced: instance(*number),
            joined_unix_ms: 0,
        });
        let now = Duration::from_secs(1_000);
        Story {
            leases: Leases::restored(now, [], registrations),
            now,
            published: numbers.to_vec(),
        }
    }

    fn announce(&mut self, announced: Announced) -> Vec<Change> {
        let changes = self.leases.announce(self.now, 0, announced, SourceAddress);
        changes.expect("there is room")
    }

    fn withdraw(&mut self, announced: &Announced) -> Vec<Change> {
        (self.leases).end(self.now, announced, LeaveReason::Withdrawn)
    }

    fn unready(&mut self, number: u8, because: &str) -> Vec<Change> {
        let leases = &mut self.leases;
        let said = leases.announce_unready(self.now, 0, &instance(number), because.to_owned());
        said.expect("the address is its own")
    }

    /// Those of the default namespace that take no calls, and why.
    fn reasons(&self) -> String {
        let listed = self.leases.list_unready().into_iter();
        let reasons = listed.map(|(_, _, unready)| {
            let number = unready.instance.trim_start_matches("run-").to_owned();
            format!("{number} {}", unready.because)
        });
        reasons.collect::<Vec<_>>().join(", ")
    }

    /// Time passes with its sweeps, and these instances announce themselves.
    fn pass(&mut self, time: Duration, announcing: &[u8]) -> Vec<Change> {
        let end = self.now + time;
        let mut changes = Vec::new();
        let mut turn = 0;
        while self.now < end {
            if turn % ANNOUNCED_EVERY == 0 {
                let all = announcing.iter();
                changes.extend(all.flat_map(|number| self.announce(instance(*number))));
            }
            turn += 1;
            self.now += sweep::INTERVAL;
            changes.extend(self.leases.sweep(self.now));
        }
        changes
    }

    /// Nothing runs: the process, or its machine, stands still.
    fn stall(&mut self, time: Duration) {
        self.now += time;
        self.leases.sweep(self.now);
    }

    /// The last octets of the endpoints, as they were last published.
    fn endpoints(&mut self) -> Vec<u8> {
        if let Some(update) = self.leases.take_update() {
            assert_eq!(update, self.leases.registered());
            self.published = self.current();
        }
        assert_eq!(self.published, self.current(), "a change was not published");
        self.published.clone()
    }

    fn current(&self) -> Vec<u8> {
        let registered = self.leases.registered();
        let services = registered.iter().flat_map(|(_, candidates)| candidates);
        let addresses = services.flat_map(|service| &service.addresses);
        let octets = addresses.map(|address| match address {
            SocketAddr::V4(address) => address.ip().octets()[3],
            SocketAddr::V6(_) => 0,
        });
        octets.collect()
    }

    fn stale(&self) -> usize {
        let listed = self.leases.list();
        let stale = |state: &LeaseState| matches!(state, LeaseState::Stale { .. });
        listed.iter().filter(|lease| stale(&lease.state)).count()
    }
}

#[test]
fn a_broken_stream_ends_no_lease_that_was_announced_after_it_broke() {
    for (reconnects, ended) in [(false, true), (true, false)] {
        let mut story = Story::new();
        story.announce(instance(1));
        let broke = story.now + SECOND;
        story.now = broke + SECOND;
        if reconnects {
            story.announce(instance(1));
        }
        let changes = story.leases.died(story.now, &instance(1), broke);
        assert_eq!(!changes.is_empty(), ended, "{reconnects}");
    }
}

#[test]
fn a_lease_lasts_five_seconds_from_the_last_announcement() {
    // The instances 1 and 2 go on; 3 was last heard at the beginning.
    let cases = [(4_500, vec![1, 2, 3]), (5_000, vec![1, 2])];
    for (passed_ms, expected) in cases {
        let mut story = Story::new();
        story.announce(instance(3));
        story.pass(Duration::from_millis(passed_ms), &[1, 2]);
        assert_eq!(story.endpoints(), expected, "{passed_ms} ms");
    }
}

#[test]
fn a_lease_of_an_earlier_process_is_not_heard_before_it_is_announced() {
    let mut story = Story::restarted(&[1, 2]);
    story.announce(instance(2));
    let heard: Vec<bool> = story.leases.list().iter().map(|it| it.heard).collect();
    assert_eq!(heard, [false, true]);
}

#[test]
fn who_is_silent_among_others_leaves() {
    let mut story = Story::new();
    story.pass(3 * SECOND, &[1, 2, 3]);
    let changes = story.pass(10 * SECOND, &[1, 2]);
    assert_eq!(changes, [Change::Left(instance(3), LeaveReason::Expired)]);
}

type CutOff<'c> = (&'c [u8], &'c [u8], &'c [u8], usize);

#[test]
fn half_may_leave_and_more_than_half_are_kept_as_stale() {
    // Announcing at first, announcing later, endpoints after a minute, how many of them stale.
    let cases: [CutOff<'_>; 5] = [
        (&[1, 2], &[1], &[1], 0),
        (&[1, 2, 3], &[1], &[1, 2, 3], 2),
        (&[1, 2, 3, 4], &[1, 2], &[1, 2], 0),
        (&[1, 2, 3, 4], &[], &[1, 2, 3, 4], 4),
        (&[1], &[], &[1], 1),
    ];
    for (before, after, expected, stale) in cases {
        let mut story = Story::new();
        story.pass(3 * SECOND, before);
        story.pass(MINUTE, after);
        assert_eq!(story.endpoints(), expected, "{before:?} to {after:?}");
        assert_eq!(story.stale(), stale, "{before:?} to {after:?}");
    }
}

#[test]
fn a_service_that_runs_out_over_several_sweeps_is_cut_off_as_well() {
    let mut story = Story::new();
    for number in [1, 2, 3] {
        story.announce(instance(number));
        story.now += sweep::INTERVAL;
        story.leases.sweep(story.now);
    }
    story.pass(10 * SECOND, &[]);
    assert_eq!((story.endpoints(), story.stale()), (vec![1, 2, 3], 3));
}

#[test]
fn a_stale_lease_ends_by_a_word_or_by_the_silence_of_one_among_many() {
    // Announcing after all three were stale, for so long, and who is left.
    let cases: [(&[u8], Duration, &[u8]); 6] = [
        (&[], 23 * 60 * MINUTE, &[1, 2, 3]),
        (&[], 25 * 60 * MINUTE, &[]),
        (&[1], 9 * MINUTE, &[1, 2, 3]),
        (&[1], 11 * MINUTE, &[1]),
        (&[1, 2], 29 * SECOND, &[1, 2, 3]),
        (&[1, 2], 31 * SECOND, &[1, 2]),
    ];
    for (announcing, time, expected) in cases {
        let mut story = Story::new();
        story.pass(3 * SECOND, &[1, 2, 3]);
        story.pass(MINUTE, &[]);
        assert_eq!(story.stale(), 3);
        story.pass(time, announcing);
        assert_eq!(story.endpoints(), expected, "{announcing:?} for {time:?}");
    }
}

#[test]
fn a_word_makes_a_stale_lease_live_or_ends_it() {
    let mut story = Story::new();
    story.pass(3 * SECOND, &[1, 2, 3]);
    story.pass(MINUTE, &[]);
    story.announce(instance(1));
    story.withdraw(&instance(2));
    assert_eq!((story.endpoints(), story.stale()), (vec![1, 3], 1));
}

#[test]
fn the_others_come_back_within_the_grace_of_the_first() {
    let mut story = Story::new();
    story.pass(3 * SECOND, &[1, 2, 3]);
    story.pass(60 * MINUTE, &[]);
    story.pass(5 * SECOND, &[1, 2]);
    assert_eq!(story.endpoints(), [1, 2, 3]);
}

#[test]
fn nobody_is_removed_for_thirty_seconds_after_a_start() {
    let mut story = Story::restarted(&[1, 2, 3]);
    story.pass(29 * SECOND, &[1, 2]);
    assert_eq!(story.endpoints(), [1, 2, 3]);
    let changes = story.pass(5 * SECOND, &[1, 2]);
    assert_eq!(changes, [Change::Left(instance(3), LeaveReason::Expired)]);
}

#[test]
fn nobody_is_removed_for_thirty_seconds_after_a_stall() {
    // A pause, the time after it, who is an endpoint then of whom 1 and 2 announce.
    let cases = [
        (4 * SECOND, 3 * SECOND, vec![1, 2]),
        (6 * SECOND, 29 * SECOND, vec![1, 2, 3]),
        (6 * SECOND, 31 * SECOND, vec![1, 2]),
    ];
    for (pause, time, expected) in cases {
        let mut story = Story::new();
        story.pass(3 * SECOND, &[1, 2, 3]);
        story.announce(instance(1));
        story.announce(instance(2));
        story.stall(pause);
        story.pass(time, &[1, 2]);
        assert_eq!(story.endpoints(), expected, "{pause:?}, {time:?}");
    }
}

#[test]
fn a_word_removes_at_once_even_in_a_grace() {
    let mut story = Story::restarted(&[1, 2]);
    let left = story.unready(1, "no process listens");
    let cause = LeaveReason::NotServing("no process listens".to_owned());
    assert_eq!(left, [Change::Left(instance(1), cause)]);
    let left = story.withdraw(&instance(2));
    assert_eq!(left, [Change::Left(instance(2), LeaveReason::Withdrawn)]);
    assert_eq!(story.endpoints(), [0; 0]);
}

#[test]
fn a_later_run_takes_the_address_over_and_the_earlier_cannot_end_it() {
    let mut story = Story::new();
    story.announce(instance(1));
    let later = Announced {
        instance: "later".to_owned(),
        ..instance(1)
    };
    assert_eq!(story.announce(later.clone()).len(), 1);
    assert_eq!(story.withdraw(&instance(1)), []);
    assert_eq!(story.endpoints(), [1]);
    // A run that is not ready yet: who was there before is gone.
    let left = story.unready(1, "");
    assert_eq!(
        left,
        [Change::Left(later, LeaveReason::NotServing(String::new()))]
    );
}

#[test]
fn why_an_instance_takes_no_calls_is_known_while_it_says_so() {
    type Then = fn(&mut Story);
    // What instance 1 does after it and 2 have said why, and who is listed then.
    let cases: [(&str, Then, &str); 6] = [
        ("nothing", |_| {}, "1 not there, 2 silent"),
        (
            "another reason",
            |story| drop(story.unready(1, "NOT_SERVING")),
            "1 NOT_SERVING, 2 silent",
        ),
        (
            "takes calls",
            |story| drop(story.announce(instance(1))),
            "2 silent",
        ),
        (
            "withdraws",
            |story| drop(story.withdraw(&instance(1))),
            "2 silent",
        ),
        (
            "is not heard, in a grace too",
            |story| drop(story.pass(4 * SECOND, &[])),
            "2 silent",
        ),
        (
            "nor is the other",
            |story| drop(story.pass(6 * SECOND, &[])),
            "",
        ),
    ];
    for (rule, then, expected) in cases {
        let mut story = Story::restarted(&[3]);
        story.unready(1, "not there");
        story.now += SECOND;
        story.unready(2, "silent");
        then(&mut story);
        assert_eq!(story.reasons(), expected, "{rule}");
    }
}

#[test]
fn only_what_changes_is_told() {
    let mut story = Story::new();
    let registration = Registration {
        announced: instance(1),
        joined_unix_ms: 0,
    };
    let joined = [
        Change::Known(name("default"), 1),
        Change::Joined(registration),
    ];
    assert_eq!(story.announce(instance(1)), joined);
    assert_eq!(story.pass(MINUTE, &[1]), []);
}

#[test]
fn a_service_without_an_instance_is_known_for_ten_minutes() {
    let mut story = Story::new();
    story.unready(1, "");
    story.pass(9 * MINUTE, &[]);
    assert_eq!(story.leases.registered().iter().count(), 1);
    let changes = story.pass(2 * MINUTE, &[]);
    assert_eq!(changes, [Change::Forgotten(name("default"))]);
    assert_eq!(story.leases.registered().iter().count(), 0);
}

#[test]
fn of_namespaces_that_share_a_name_the_earlier_comes_first() {
    let mut story = Story::new();
    for (namespace, unix_ms) in [("zoo", 1), ("api", 2)] {
        let announced = Announced {
            name: name(namespace),
            ..instance(1)
        };
        let joined = story
            .leases
            .announce(story.now, unix_ms, announced, SourceAddress);
        joined.expect("there is room");
    }
    let registered = story.leases.registered();
    let namespaces = registered.of("orders").iter();
    let namespaces: Vec<&str> = namespaces.map(|service| &*service.namespace).collect();
    assert_eq!(namespaces, ["zoo", "api"]);
}
