//! Whose a lease is: rules among members of one service, and what they may do how often.

use super::*;
use crate::registry::address_check::Verification;
use crate::registry::lease::LeaseRefusal;

/// Another member of the same service, at the address of instance `number`.
fn sibling(number: u8) -> Announced {
    Announced {
        member: MemberId::new([0xbb; 8]),
        instance: "sibling".to_owned(),
        ..instance(number)
    }
}

#[test]
fn the_address_of_a_member_that_is_heard_is_no_siblings() {
    type Attempt = fn(&mut Story) -> Result<Vec<Change>, LeaseRefusal>;
    let attempts: [(&str, Attempt); 4] = [
        ("announces it", |story| {
            story
                .leases
                .announce(story.now, 0, sibling(1), SourceAddress)
        }),
        ("says that no process serves there", |story| {
            let because = String::new();
            (story.leases).announce_unready(story.now, 0, &sibling(1), because)
        }),
        ("withdraws it", |story| {
            let said = Announced {
                instance: instance(1).instance,
                ..sibling(1)
            };
            Ok(story.withdraw(&said))
        }),
        ("says that it is dead", |story| {
            let said = Announced {
                instance: instance(1).instance,
                ..sibling(1)
            };
            Ok(story.leases.died(story.now, &said, story.now))
        }),
    ];
    for (rule, attempt) in attempts {
        let mut story = Story::new();
        story.announce(instance(1));
        let before = story.leases.list();
        let said = attempt(&mut story);
        let held = LeaseRefusal::AddressInUse(instance(1).address);
        assert!(said == Err(held) || said == Ok(vec![]), "{rule}: {said:?}");
        assert_eq!(story.leases.list(), before, "{rule}");
        assert_eq!(story.reasons(), "", "{rule}");
        assert_eq!(story.endpoints(), [1], "{rule}");
    }
}

#[test]
fn a_successor_has_the_address_when_its_holder_is_gone() {
    type End = fn(&mut Story);
    let ends: [(&str, End); 5] = [
        ("withdrawn", |story| {
            drop(story.withdraw(&instance(1)));
        }),
        ("dead", |story| {
            let (leases, now) = (&mut story.leases, story.now);
            drop(leases.died(now, &instance(1), now));
        }),
        ("not serving, then silent", |story| {
            story.unready(1, "");
            story.now += 5 * SECOND;
        }),
        ("silent for a lease", |story| story.now += 5 * SECOND),
        ("stale", |story| drop(story.pass(MINUTE, &[]))),
    ];
    for (rule, end) in ends {
        let mut story = Story::new();
        story.announce(instance(1));
        end(&mut story);
        let joined = story.announce(sibling(1));
        let joined = joined.last().expect("it joined");
        assert!(
            matches!(joined, Change::Joined(it) if it.announced == sibling(1)),
            "{rule}"
        );
        assert_eq!(story.endpoints(), [1], "{rule}");
    }
}

#[test]
fn a_member_that_changes_too_often_joins_again_after_ten_seconds() {
    let mut story = Story::new();
    let mut joins = 0;
    for _ in 0..1_000 {
        joins += story.announce(instance(1)).len();
        story.unready(1, "");
    }
    // The first made its service known.
    assert_eq!(joins, 1 + 3);
    assert_eq!(story.endpoints(), [0; 0]);
    assert_eq!(story.announce(instance(1)), []);
    let why = "1 it changed more than 5 times in 10 s: it is an endpoint again in 11 s";
    assert_eq!(story.reasons(), why);
    assert_eq!(story.announce(instance(2)).len(), 1, "others are not held");
    story.pass(10 * SECOND, &[1, 2]);
    story.announce(instance(1));
    assert_eq!(story.endpoints(), [1, 2]);
    assert_eq!(story.reasons(), "");
}

#[test]
fn a_member_has_eight_addresses() {
    let own = |number: u8| Announced {
        member: MemberId::new([1; 8]),
        ..instance(number)
    };
    let mut story = Story::new();
    for number in 1..=8 {
        story.announce(own(number));
        story.now += 2 * SECOND;
        story.leases.sweep(story.now);
        for number in 1..=number {
            story.announce(own(number));
        }
    }
    let ninth = story.leases.announce(story.now, 0, own(9), SourceAddress);
    assert_eq!(ninth, Err(LeaseRefusal::TooManyAddresses));
    story.announce(instance(10));
    // One that is silent gives way.
    story.now += 5 * SECOND;
    let changes = story.announce(own(9));
    assert_eq!(changes[0], Change::Left(own(1), LeaveReason::Moved));
}

#[test]
fn a_clock_that_steps_back_changes_no_owner() {
    let mut story = Story::new();
    let known = ["first", "second", "third"].map(name);
    let times = [1_000, 10, 5];
    let mut kept = Vec::new();
    for (name, unix_ms) in known.iter().zip(times) {
        let announced = Announced {
            name: name.clone(),
            ..instance(1)
        };
        let joined = story
            .leases
            .announce(story.now, unix_ms, announced, SourceAddress);
        for change in joined.expect("there is room") {
            if let Change::Known(name, rank) = change {
                kept.push((name, rank));
            }
        }
    }
    let owners = |leases: &Leases| {
        let registered = leases.registered();
        let of_name = registered.of("orders").iter();
        let owners: Vec<_> = of_name.map(|it| it.namespace.clone()).collect();
        owners
    };
    assert_eq!(owners(&story.leases), ["first", "second", "third"]);
    let restarted = Leases::restored(story.now, kept, []);
    assert_eq!(owners(&restarted), ["first", "second", "third"]);
}

#[test]
fn a_service_has_so_many_instances_and_no_more() {
    let mut story = Story::new();
    let member = |port: u16| [[port.to_be_bytes(); 4].concat()].concat();
    let many = |port: u16| Announced {
        member: MemberId::of_serial(&member(port)),
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        ..instance(1)
    };
    for port in 1..=10_000 {
        story.announce(many(port));
    }
    let refused = story
        .leases
        .announce(story.now, 0, many(10_001), SourceAddress);
    assert!(refused.is_err());
    assert_eq!(story.announce(many(10_000)), []);
}

#[test]
fn who_has_answered_at_an_address_is_the_successor_of_whoever_had_it() {
    for (verification, expected) in [
        (Verification::Unverified, false),
        (SourceAddress, false),
        (Verification::Handshake, true),
    ] {
        let mut story = Story::new();
        story.announce(instance(1));
        let said = story
            .leases
            .announce(story.now, 0, sibling(1), verification);
        let left = Change::Left(instance(1), LeaveReason::Succeeded);
        assert_eq!(
            said.is_ok_and(|all| all[0] == left),
            expected,
            "{verification:?}"
        );
        assert_eq!(story.endpoints(), [1], "{verification:?}");
        assert_eq!(story.withdraw(&instance(1)).is_empty(), expected);
    }
}
