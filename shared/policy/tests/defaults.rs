//! The defaults we promise, in one place, so that a change of one is seen as such.

use std::time::Duration;

use outrider_policy::{
    BreakerRules, BudgetRules, CallPolicy, Code, HealthRules, Lifetimes, LimitKey, Limits,
    RateAlgorithm, RateLimit, RetryPolicy,
};

#[test]
fn a_call_has_no_invented_deadline_and_two_attempts() {
    let policy = CallPolicy::default();
    assert_eq!((policy.timeout, policy.per_try_timeout), (None, None));
    assert!(!policy.unary && !policy.idempotent);
    let RetryPolicy {
        attempts_max,
        on,
        back_off,
    } = policy.retry;
    assert_eq!(attempts_max, 2);
    let listed: Vec<Code> = Code::ALL
        .into_iter()
        .filter(|code| on.contains(*code))
        .collect();
    assert_eq!(listed, [Code::Unavailable]);
    assert_eq!(back_off.base, Duration::from_millis(25));
    assert_eq!(back_off.cap, Duration::from_secs(1));
    assert_eq!(back_off.jitter_percent, 20);
}

#[test]
fn a_budget_is_a_fifth_of_the_calls_or_three_a_second() {
    let expected = BudgetRules {
        percent: 20,
        min_per_second: 3,
    };
    assert_eq!(BudgetRules::default(), expected);
}

#[test]
fn a_breaker_is_on_and_ejection_is_off() {
    let rules = HealthRules::default();
    assert_eq!(rules.outlier, None);
    assert_eq!(rules.max_ejection_percent(), 50);
    let breaker = BreakerRules::default();
    assert_eq!(rules.breaker, Some(breaker));
    assert_eq!((breaker.failure_percent, breaker.min_calls), (50, 20));
    assert_eq!(breaker.consecutive_failures, 7);
    assert_eq!(breaker.window, Duration::from_secs(10));
    assert_eq!(breaker.open_time, Duration::from_secs(1));
    assert_eq!(breaker.max_open_time, Duration::from_secs(60));
}

#[test]
fn an_upstream_takes_1024_calls_all_of_which_may_wait() {
    let expected = Limits {
        calls: 10_000,
        waiting: 10_000,
    };
    assert_eq!(Limits::default(), expected);
}

#[test]
fn a_connection_lives_as_promised() {
    let lives = Lifetimes::default();
    let seconds = |span: Duration| span.as_secs();
    assert_eq!(
        (seconds(lives.handshake), seconds(lives.header_block)),
        (5, 5)
    );
    assert_eq!(seconds(lives.stalled), 300);
    assert_eq!(lives.idle.map(seconds), Some(3_600));
    assert_eq!(lives.age.map(seconds), Some(1_800));
    let (own, foreign) = (lives.keepalive, lives.foreign_keepalive);
    assert_eq!((seconds(own.every), seconds(own.patience)), (10, 5));
    assert_eq!(
        (seconds(foreign.every), seconds(foreign.patience)),
        (300, 20)
    );
}

#[test]
fn a_rate_limit_is_a_token_bucket_for_the_whole_service() {
    let rules = RateLimit::new("orders", 100);
    assert_eq!(rules.algorithm, RateAlgorithm::TokenBucket);
    assert_eq!(rules.key, LimitKey::Service);
    assert_eq!(rules.period, Duration::from_secs(1));
    assert_eq!((rules.burst(), rules.wait_max()), (100, Duration::ZERO));
    assert_eq!((rules.warm_up, rules.keys_max()), (None, 1_000));
    assert!(!rules.response_headers);
    let leaky = RateLimit {
        algorithm: RateAlgorithm::LeakyBucket,
        ..rules
    };
    assert_eq!(leaky.wait_max(), Duration::from_millis(500));
}
