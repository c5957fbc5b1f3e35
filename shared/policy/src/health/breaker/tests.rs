//! When a breaker opens, what a probe decides, and how long a pause is.

use super::super::Observation;
use super::*;
use crate::Class;

const MIDDLE: u64 = 1 << 63;

const fn at(millis: u64) -> Tick {
    Tick::from_nanos(millis * 1_000_000)
}

fn end(admission: Admission, class: Class) -> Observation {
    Observation {
        admission,
        class,
        may_eject: true,
        is_common: false,
        random: MIDDLE,
    }
}

/// Ends of ordinary calls at `now`.
fn after(breaker: Breaker, now: Tick, classes: &[Class]) -> Breaker {
    let rules = BreakerRules::default();
    let record =
        |state: Breaker, class: &Class| state.record(&rules, now, &end(Admission::Pass, *class));
    classes.iter().fold(breaker, record)
}

/// Opened at 0, so probed from 1 s on.
fn opened() -> Breaker {
    after(Breaker::default(), at(0), &[Class::EndpointFault; 7])
}

fn is_open(breaker: Breaker) -> bool {
    matches!(breaker, Breaker::Open { .. })
}

#[test]
fn opens_on_a_row_or_on_a_rate() {
    use Class::{CallerFault, EndpointFault, HalfFault, Neutral, Overload, Success};
    let pairs = |count, good| vec![[good, EndpointFault]; count].concat();
    let cases: [(&str, Vec<Class>, bool); 11] = [
        ("six in a row", vec![EndpointFault; 6], false),
        ("seven in a row", vec![EndpointFault; 7], true),
        ("thirteen halves", vec![HalfFault; 13], false),
        ("fourteen halves", vec![HalfFault; 14], true),
        ("half of 18 calls", pairs(9, Success), false),
        ("half of 20 calls", pairs(10, Success), true),
        ("a proper answer is good", pairs(10, CallerFault), true),
        (
            "a success does not open",
            [vec![Success; 10], pairs(4, Success)].concat(),
            false,
        ),
        (
            "a neutral end breaks no row",
            [vec![EndpointFault; 6], vec![Neutral, EndpointFault]].concat(),
            true,
        ),
        (
            "an overload breaks no row",
            [vec![EndpointFault; 6], vec![Overload, EndpointFault]].concat(),
            true,
        ),
        ("overload alone is no fault", vec![Overload; 100], false),
    ];
    for (rule, classes, expected) in cases {
        assert_eq!(
            is_open(after(Breaker::default(), at(5), &classes)),
            expected,
            "{rule}"
        );
    }
}

#[test]
fn old_failures_do_not_count_in_the_rate() {
    let rules = BreakerRules {
        consecutive_failures: 0,
        ..BreakerRules::default()
    };
    let record = |state: Breaker, millis, class| {
        state.record(&rules, at(millis), &end(Admission::Pass, class))
    };
    let old = (0..19).fold(Breaker::default(), |state, _| {
        record(state, 0, Class::EndpointFault)
    });
    assert!(is_open(record(old, 9_999, Class::EndpointFault)));
    assert!(!is_open(record(old, 10_000, Class::EndpointFault)));
}

#[test]
fn opens_for_the_last_endpoint_like_for_any_other() {
    let rules = BreakerRules::default();
    let last = Observation {
        may_eject: false,
        is_common: true,
        ..end(Admission::Pass, Class::EndpointFault)
    };
    let record = |state: Breaker, _| state.record(&rules, at(0), &last);
    assert!(is_open((0..7).fold(Breaker::default(), record)));
}

const fn open_until(millis: u64, openings: u8) -> Breaker {
    Breaker::Open {
        until: at(millis),
        openings,
    }
}

#[test]
fn stays_open_for_its_time_then_lets_one_probe_through() {
    let rules = BreakerRules::default();
    let open = opened();
    assert_eq!(open, open_until(1_000, 1));
    assert_eq!(open.availability(at(999)), Availability::Paused);
    assert_eq!(open.availability(at(1_000)), Availability::ProbeDue);
    let (probing, admission) = open.admit(&rules, at(1_000));
    assert_eq!(admission, Admission::Probe);
    assert_eq!(probing.availability(at(1_001)), Availability::Probing);
    assert_eq!(
        probing.admit(&rules, at(1_001)),
        (probing, Admission::Refused)
    );
}

#[test]
fn an_early_probe_may_only_do_good() {
    let rules = BreakerRules::default();
    let open = open_until(30_000, 6);
    let (probing, admission) = open.admit(&rules, at(500));
    assert_eq!(admission, Admission::Probe);
    assert_eq!(
        probing.availability(at(501)),
        Availability::Probing,
        "one at a time"
    );
    let record = |class| probing.record(&rules, at(600), &end(Admission::Probe, class));
    assert_eq!(record(Class::Success), Breaker::default());
    assert_eq!(record(Class::EndpointFault), open_until(30_000, 6));
    assert_eq!(record(Class::Neutral), open_until(30_000, 6));
    assert_eq!(
        probing.availability(at(10_500)),
        Availability::Paused,
        "it is lost"
    );
}

#[test]
fn a_call_that_had_nothing_better_may_only_do_good() {
    let rules = BreakerRules::default();
    let (probing, _) = opened().admit(&rules, at(1_000));
    for state in [opened(), probing] {
        let record = |class| state.record(&rules, at(1_100), &end(Admission::Refused, class));
        assert_eq!(record(Class::Success), Breaker::default());
        assert_eq!(record(Class::EndpointFault), state);
    }
}

#[test]
fn an_outage_of_everything_lengthens_no_pause() {
    let rules = BreakerRules::default();
    let common = Observation {
        is_common: true,
        ..end(Admission::Probe, Class::EndpointFault)
    };
    let (probing, _) = open_until(1_000, 6).admit(&rules, at(1_000));
    let next = probing.record(&rules, at(1_000), &common);
    assert_eq!(next, open_until(2_000, 1));
}

#[test]
fn the_end_of_the_probe_decides() {
    let rules = BreakerRules::default();
    let (probing, _) = opened().admit(&rules, at(1_000));
    let record = |class| probing.record(&rules, at(1_200), &end(Admission::Probe, class));
    let reopened = open_until(3_200, 2);
    let undecided = open_until(1_000, 1);
    let cases = [
        (Class::Success, Breaker::default()),
        (Class::CallerFault, Breaker::default()),
        (Class::EndpointFault, reopened),
        (Class::HalfFault, reopened),
        (Class::Overload, undecided),
        (Class::Neutral, undecided),
    ];
    for (class, expected) in cases {
        assert_eq!(record(class), expected, "{}", class.name());
    }
    assert_eq!(undecided.availability(at(1_200)), Availability::ProbeDue);
}

#[test]
fn calls_from_before_it_opened_decide_nothing() {
    let rules = BreakerRules::default();
    let open = opened();
    let (probing, _) = open.admit(&rules, at(1_000));
    for class in [Class::Success, Class::EndpointFault, Class::Neutral] {
        assert_eq!(after(open, at(1_100), &[class]), open);
        assert_eq!(after(probing, at(1_100), &[class]), probing);
    }
}

#[test]
fn a_probe_that_never_ends_does_not_block_for_ever() {
    let rules = BreakerRules::default();
    let (probing, _) = opened().admit(&rules, at(1_000));
    assert_eq!(probing.availability(at(10_999)), Availability::Probing);
    assert_eq!(probing.availability(at(11_000)), Availability::ProbeDue);
}

#[test]
fn the_open_time_doubles_to_its_maximum_with_jitter() {
    let rules = BreakerRules::default();
    let seconds = |openings, random| {
        let fault = end(Admission::Probe, Class::EndpointFault);
        let fault = Observation { random, ..fault };
        let until = open(&rules, at(0), &fault, openings).until();
        until.map_or(f64::NAN, |until| until.since(at(0)).as_secs_f64())
    };
    let cases = [
        (1, 1.0),
        (2, 2.0),
        (3, 4.0),
        (6, 32.0),
        (7, 60.0),
        (255, 60.0),
    ];
    for (openings, expected) in cases {
        assert_eq!(seconds(openings, MIDDLE), expected);
        assert_eq!(seconds(openings, 0), expected * 0.8);
        assert_eq!(seconds(openings, u64::MAX), expected * 1.2);
    }
}
