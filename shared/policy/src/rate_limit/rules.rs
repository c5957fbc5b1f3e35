//! What an operator says about a rate limit: fields, defaults, ranges.
//!
//! Absent values are `None`; the functions beside the fields say what holds then. Documents and xDS
//! resources are both checked by [`RateLimit::problems`].

use std::ops::RangeInclusive;
use std::time::Duration;

/// A limit on the calls to a service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RateLimit {
    /// What refusals, metrics and response headers call it. 1 to [`RateLimit::NAME_BYTES_MAX`]
    /// lower-case letters, digits and inner hyphens.
    pub name: String,
    /// How calls are counted. Default token bucket.
    pub algorithm: RateAlgorithm,
    /// Calls in a period; see [`RateLimit::LIMIT`].
    pub limit: u32,
    /// Default 1 s; see [`RateLimit::PERIOD`].
    pub period: Duration,
    /// Of a token bucket: calls that may come at once. Default `limit`; see [`RateLimit::BURST`].
    pub burst: Option<u32>,
    /// Of a leaky bucket: longest wait for a permit. Default 500 ms, Sentinel's; at most
    /// [`RateLimit::WAIT_MAX`]. Zero: none waits, and calls that come faster than the pace are refused.
    pub wait_max: Option<Duration>,
    /// Of a bucket: time of full use until the rate has risen from a third to the whole. Default none;
    /// at most [`RateLimit::WARM_UP_MAX`].
    pub warm_up: Option<Duration>,
    /// What is counted by itself. Default the service as a whole.
    pub key: LimitKey,
    /// Keys that are counted by themselves, all others count together. Default 1,000; see
    /// [`RateLimit::KEYS`].
    pub keys_max: Option<u32>,
    /// Name, rest and reset are in the headers of responses. Default false.
    pub response_headers: bool,
}

/// How calls are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RateAlgorithm {
    /// A steady rate, and bursts of what was saved.
    #[default]
    TokenBucket,
    /// A steady pace: calls wait for their turn, a while at most.
    LeakyBucket,
    /// Never more than the limit in any period.
    SlidingWindow,
    /// The limit in each period, counted from its beginning.
    FixedWindow,
}

/// What is counted by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum LimitKey {
    /// All calls to the service together.
    #[default]
    Service,
    /// Each method, or each path of plain HTTP/2.
    Method,
    /// Each identity of a caller.
    Caller,
    /// Each value of this header, in lower case; calls without it count together.
    Header(String),
}

/// A field of [`RateLimit`] that may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitField {
    /// `name`
    Name,
    /// `limit`
    Limit,
    /// `period`
    Period,
    /// `burst`
    Burst,
    /// `wait_max`
    WaitMax,
    /// `warm_up`
    WarmUp,
    /// `key`
    Key,
    /// `keys_max`
    KeysMax,
}

impl RateLimit {
    /// Limits of a service: each call needs a permit of each.
    pub const COUNT_MAX: usize = 16;
    /// Longest name. Bytes; a DNS label.
    pub const NAME_BYTES_MAX: usize = 63;
    /// Calls in a period. A million in a second is more than a sidecar carries; more would round the
    /// time from permit to permit by over 0.1 %.
    pub const LIMIT: RangeInclusive<u32> = 1..=1_000_000;
    /// Largest limit of a sliding window, which keeps 8 bytes for each: 80 kB.
    pub const SLIDING_LIMIT_MAX: u32 = 10_000;
    /// Largest product of limit and keys of a sliding window: 8 MB.
    pub const SLIDING_ENTRIES_MAX: u64 = 1_000_000;
    /// Below a second a limit is a pause; above an hour it is a quota, which must outlive the process.
    pub const PERIOD: RangeInclusive<Duration> =
        Duration::from_secs(1)..=Duration::from_secs(3_600);
    /// Calls that may come at once.
    pub const BURST: RangeInclusive<u32> = 1..=1_000_000;
    /// Longest wait for a permit. A call that waits longer is better refused.
    pub const WAIT_MAX: Duration = Duration::from_secs(60);
    /// Longest warm-up.
    pub const WARM_UP_MAX: Duration = Duration::from_secs(3_600);
    /// Keys that are counted by themselves: a few hundred bytes each.
    pub const KEYS: RangeInclusive<u32> = 1..=10_000;

    /// A token bucket of so many calls a second, for the service as a whole.
    pub fn new(name: &str, limit: u32) -> RateLimit {
        RateLimit {
            name: name.to_owned(),
            algorithm: RateAlgorithm::default(),
            limit,
            period: Duration::from_secs(1),
            burst: None,
            wait_max: None,
            warm_up: None,
            key: LimitKey::default(),
            keys_max: None,
            response_headers: false,
        }
    }

    /// From permit to permit, rounded up, so that rounding never admits more.
    pub fn interval(&self) -> Duration {
        let nanos = u64::try_from(self.period.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(nanos.div_ceil(u64::from(self.limit.max(1))))
    }

    /// Permits that a bucket saves; 1 or more.
    pub fn burst(&self) -> u32 {
        match self.algorithm {
            RateAlgorithm::TokenBucket => self.burst.unwrap_or(self.limit).max(1),
            RateAlgorithm::LeakyBucket
            | RateAlgorithm::SlidingWindow
            | RateAlgorithm::FixedWindow => 1,
        }
    }

    /// Longest wait for a permit.
    pub fn wait_max(&self) -> Duration {
        match self.algorithm {
            RateAlgorithm::LeakyBucket => self.wait_max.unwrap_or(Duration::from_millis(500)),
            RateAlgorithm::TokenBucket
            | RateAlgorithm::SlidingWindow
            | RateAlgorithm::FixedWindow => Duration::ZERO,
        }
    }

    /// Keys that are counted by themselves.
    pub fn keys_max(&self) -> u32 {
        self.keys_max.unwrap_or(1_000)
    }

    /// What contradicts itself or leaves its range, with what would be right. Empty: nothing.
    pub fn problems(&self) -> Vec<(LimitField, String)> {
        let found = [
            self.problem_of_name(),
            out_of_range(LimitField::Limit, self.limit, RateLimit::LIMIT),
            self.problem_of_period(),
            self.problem_of_burst(),
            self.problem_of_wait(),
            self.problem_of_warm_up(),
            self.problem_of_key(),
            self.problem_of_keys_max(),
            self.problem_of_memory(),
        ];
        found.into_iter().flatten().collect()
    }

    fn problem_of_name(&self) -> Option<(LimitField, String)> {
        let name = self.name.as_bytes();
        let is_good = |at: usize, octet: u8| {
            octet.is_ascii_lowercase()
                || octet.is_ascii_digit()
                || octet == b'-' && at > 0 && at + 1 < name.len()
        };
        let good = (1..=RateLimit::NAME_BYTES_MAX).contains(&name.len())
            && (name.iter().enumerate()).all(|(at, octet)| is_good(at, *octet));
        let problem = || {
            format!(
                "`{}` is no name: write lower-case letters, digits and inner hyphens, at most {}",
                self.name,
                RateLimit::NAME_BYTES_MAX
            )
        };
        (!good).then(|| (LimitField::Name, problem()))
    }

    fn problem_of_period(&self) -> Option<(LimitField, String)> {
        let (least, most) = RateLimit::PERIOD.into_inner();
        let good = RateLimit::PERIOD.contains(&self.period);
        let problem = || format!("{:?} is out of range: {least:?} to {most:?}", self.period);
        (!good).then(|| (LimitField::Period, problem()))
    }

    fn problem_of_burst(&self) -> Option<(LimitField, String)> {
        let burst = self.burst?;
        if self.algorithm != RateAlgorithm::TokenBucket {
            let problem = "only a token bucket has a burst: leave it out";
            return Some((LimitField::Burst, problem.to_owned()));
        }
        out_of_range(LimitField::Burst, burst, RateLimit::BURST)
    }

    fn problem_of_wait(&self) -> Option<(LimitField, String)> {
        let wait = self.wait_max?;
        if self.algorithm != RateAlgorithm::LeakyBucket {
            let problem = "calls wait for a leaky bucket only: leave it out";
            return Some((LimitField::WaitMax, problem.to_owned()));
        }
        too_long(LimitField::WaitMax, wait, RateLimit::WAIT_MAX)
    }

    fn problem_of_warm_up(&self) -> Option<(LimitField, String)> {
        let warm_up = self.warm_up?;
        match self.algorithm {
            RateAlgorithm::TokenBucket | RateAlgorithm::LeakyBucket => {
                too_long(LimitField::WarmUp, warm_up, RateLimit::WARM_UP_MAX)
            }
            RateAlgorithm::SlidingWindow | RateAlgorithm::FixedWindow => {
                let problem = "only a token bucket or a leaky bucket warms up: leave it out";
                Some((LimitField::WarmUp, problem.to_owned()))
            }
        }
    }

    fn problem_of_key(&self) -> Option<(LimitField, String)> {
        let LimitKey::Header(name) = &self.key else {
            return None;
        };
        let is_good = |octet: u8| {
            octet.is_ascii_lowercase()
                || octet.is_ascii_digit()
                || b"!#$%&'*+-.^_`|~".contains(&octet)
        };
        let good = !name.is_empty() && name.bytes().all(is_good);
        let problem = || format!("`{name}` is no name of a header in lower case");
        (!good).then(|| (LimitField::Key, problem()))
    }

    fn problem_of_keys_max(&self) -> Option<(LimitField, String)> {
        let keys_max = self.keys_max?;
        if self.key == LimitKey::Service {
            let problem = "a limit on the whole service has no keys: leave it out";
            return Some((LimitField::KeysMax, problem.to_owned()));
        }
        out_of_range(LimitField::KeysMax, keys_max, RateLimit::KEYS)
    }

    fn problem_of_memory(&self) -> Option<(LimitField, String)> {
        if self.algorithm != RateAlgorithm::SlidingWindow {
            return None;
        }
        if self.limit > RateLimit::SLIDING_LIMIT_MAX {
            let problem = format!(
                "{} is too many for a sliding window, which keeps the time of each call: at most {}",
                self.limit,
                RateLimit::SLIDING_LIMIT_MAX
            );
            return Some((LimitField::Limit, problem));
        }
        let keys = match self.key {
            LimitKey::Service => 1,
            LimitKey::Method | LimitKey::Caller | LimitKey::Header(_) => self.keys_max(),
        };
        let entries = u64::from(self.limit) * u64::from(keys);
        let problem = || {
            format!(
                "a sliding window keeps the time of each call, {} of each of {keys} keys: \
                 together at most {}",
                self.limit,
                RateLimit::SLIDING_ENTRIES_MAX
            )
        };
        (entries > RateLimit::SLIDING_ENTRIES_MAX).then(|| (LimitField::Limit, problem()))
    }
}

fn out_of_range(
    field: LimitField,
    value: u32,
    range: RangeInclusive<u32>,
) -> Option<(LimitField, String)> {
    let (least, most) = range.clone().into_inner();
    let problem = || format!("{value} is out of range: {least} to {most}");
    (!range.contains(&value)).then(|| (field, problem()))
}

fn too_long(field: LimitField, value: Duration, most: Duration) -> Option<(LimitField, String)> {
    (value > most).then(|| (field, format!("{value:?} is too long: at most {most:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_or_contradicts_itself_is_a_problem() {
        let good = || RateLimit::new("orders", 100);
        let header = |name: &str| LimitKey::Header(name.to_owned());
        use LimitField::{Burst, Key, KeysMax, Limit, Name, Period, WaitMax, WarmUp};
        use RateAlgorithm::{FixedWindow, LeakyBucket, SlidingWindow};
        let second = Duration::from_secs(1);
        #[rustfmt::skip]
        let cases = [
            ("good", good(), vec![]),
            ("no name", RateLimit { name: String::new(), ..good() }, vec![Name]),
            ("a name with a dot", RateLimit { name: "a.b".to_owned(), ..good() }, vec![Name]),
            ("a hyphen at the end", RateLimit { name: "a-".to_owned(), ..good() }, vec![Name]),
            ("no calls", RateLimit { limit: 0, ..good() }, vec![Limit]),
            ("too many calls", RateLimit { limit: 1_000_001, ..good() }, vec![Limit]),
            ("a short period", RateLimit { period: second / 2, ..good() }, vec![Period]),
            ("a long period", RateLimit { period: second * 3_601, ..good() }, vec![Period]),
            ("no burst", RateLimit { burst: Some(0), ..good() }, vec![Burst]),
            ("a window with a burst", RateLimit { burst: Some(9), algorithm: FixedWindow, ..good() }, vec![Burst]),
            ("a token bucket with a queue", RateLimit { wait_max: Some(second), ..good() }, vec![WaitMax]),
            ("a long wait", RateLimit { wait_max: Some(second * 61), algorithm: LeakyBucket, ..good() }, vec![WaitMax]),
            ("a long warm-up", RateLimit { warm_up: Some(second * 3_601), ..good() }, vec![WarmUp]),
            ("a window that warms up", RateLimit { warm_up: Some(second), algorithm: SlidingWindow, ..good() }, vec![WarmUp]),
            ("keys of the service", RateLimit { keys_max: Some(9), ..good() }, vec![KeysMax]),
            ("no keys", RateLimit { keys_max: Some(0), key: LimitKey::Method, ..good() }, vec![KeysMax]),
            ("no header", RateLimit { key: header(""), ..good() }, vec![Key]),
            ("upper case", RateLimit { key: header("X-Tenant"), ..good() }, vec![Key]),
            ("a large sliding window", RateLimit { limit: 10_001, algorithm: SlidingWindow, ..good() }, vec![Limit]),
            ("large sliding windows", RateLimit { limit: 1_001, algorithm: SlidingWindow, key: LimitKey::Caller, ..good() }, vec![Limit]),
            ("two at once", RateLimit { limit: 0, burst: Some(0), ..good() }, vec![Limit, Burst]),
        ];
        for (case, rules, expected) in cases {
            let problems = rules.problems();
            let fields: Vec<LimitField> = problems.iter().map(|(field, _)| *field).collect();
            assert_eq!(fields, expected, "{case}: {problems:?}");
        }
    }

    #[test]
    fn rounding_never_makes_a_rate_faster() {
        let rules = RateLimit::new("orders", 3);
        assert_eq!(rules.interval(), Duration::from_nanos(333_333_334));
    }
}
