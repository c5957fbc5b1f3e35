//! Refused joins, as events and a count.
//!
//! A client without a token can cause refusals at will. So the same refusal is recorded once in ten
//! minutes, all together at a low rate, and the journal keeps them in a table of their own; every one
//! is counted.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use outrider_proto::token::{Token, hex};
use outrider_proto::v1;

use crate::clock;
use crate::members::rate_limit::{Rate, RateLimiter};
use crate::metrics::Metrics;
use crate::storage::journal::{EventKind, Journal};

/// The same refusal: once in 10 min. A sidecar with a token that is refused tries every 30 s.
const SAME: Rate = Rate {
    max: 1,
    window: Duration::from_secs(600),
};

/// All refusals together: 32 in 10 s.
const ALL: Rate = Rate {
    max: 32,
    window: Duration::from_secs(10),
};

/// Longest recorded part of a text from a client without a token. Bytes; 63: a DNS label.
const WORD_BYTES_MAX: usize = 63;

/// The client that tried to join, by the unverified text of the request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JoinAttempt {
    service: String,
    token: String,
}

impl JoinAttempt {
    /// With this text, which may be no token.
    pub fn token(text: &str) -> JoinAttempt {
        match text.parse::<Token>() {
            Ok(token) => JoinAttempt::of(&token.namespace, &token.service, &hex(&token.id)),
            Err(_) => JoinAttempt::of("", "", ""),
        }
    }

    /// With a token that trusts a bundle which is not known.
    pub fn bundle(request: &v1::GetBundleRequest) -> JoinAttempt {
        JoinAttempt::of(&request.namespace, &request.service, &request.token_id)
    }

    fn of(namespace: &str, service: &str, id: &str) -> JoinAttempt {
        let known = |text: &str| !text.is_empty() && text.len() <= WORD_BYTES_MAX;
        let service = match known(namespace) && known(service) {
            true => format!("{namespace}/{service}"),
            false => "unknown".to_owned(),
        };
        let token = if known(id) { id } else { "unknown" };
        JoinAttempt {
            service,
            token: token.to_owned(),
        }
    }
}

/// Records and counts refused joins.
#[derive(Debug)]
pub struct JoinRefusals {
    journal: Journal,
    metrics: Arc<Metrics>,
    same: RateLimiter<(JoinAttempt, IpAddr, String)>,
    all: RateLimiter<()>,
}

impl JoinRefusals {
    /// Refusals are written to `journal` and counted in `metrics`.
    pub fn new(journal: &Journal, metrics: &Arc<Metrics>) -> JoinRefusals {
        JoinRefusals {
            journal: journal.clone(),
            metrics: Arc::clone(metrics),
            same: RateLimiter::new(SAME),
            all: RateLimiter::new(ALL),
        }
    }

    /// A join from `from` was refused.
    pub fn record(&self, tried: &JoinAttempt, from: IpAddr, because: &str) {
        self.metrics.join_refused();
        let now = clock::now();
        // The limit with a single key first: clients choose the keys of the other.
        if !self.all.take((), now) {
            return;
        }
        if self
            .same
            .take((tried.clone(), from, because_of(because)), now)
        {
            let JoinAttempt { service, token } = tried;
            let detail = format!("With token {token}, from {from}: {because}.");
            tracing::warn!(service, token, %from, because, "a join was refused");
            self.journal.record(EventKind::Refused, service, &detail);
        }
    }
}

/// A reason without its numbers, which differ each time.
fn because_of(because: &str) -> String {
    because.replace(|character: char| character.is_ascii_digit(), "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::journal::Filter;
    use crate::storage::store::Store;
    use std::net::Ipv4Addr;

    #[test]
    fn the_same_refusal_is_told_once_and_a_flood_of_others_in_part() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path()).expect("a store");
        let journal = Journal::open(&store).expect("a journal");
        let refusals = JoinRefusals::new(&journal, &Arc::new(Metrics::new()));
        let from = |number: u32| IpAddr::V4(Ipv4Addr::from(number));
        let tried = JoinAttempt::of("shop", "orders", "0a");
        for seconds in 0..20 {
            let because = format!("the token expired {seconds} s ago");
            refusals.record(&tried, from(7), &because);
        }
        for number in 0..1_000 {
            refusals.record(&JoinAttempt::token("none"), from(number), "it is no token");
        }
        drop(refusals);
        drop(journal);
        let journal = Journal::open(&store).expect("a journal");
        let events = journal.recent(usize::MAX, &Filter::default());
        let events = events.expect("readable");
        let expected = "With token 0a, from 0.0.0.7: the token expired 0 s ago.";
        assert_eq!(
            (&*events[0].subject, &*events[0].detail),
            ("shop/orders", expected)
        );
        assert_eq!(events.len(), 1 + 12);
        assert_eq!(events[1].subject, "unknown");
    }
}
