//! The answer to a lookup of a host name: `resolve` makes it, `names` decides what it changes.

use std::net::IpAddr;
use std::time::Duration;

use outrider_policy::Family;

use super::names::TTL_MIN;

/// The answer to a lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// There are addresses.
    Resolved(Resolved),
    /// Every name tried is denied: it does not exist or has no address. Says which.
    Nothing(String),
    /// No usable answer for one of the names tried: time-out, SERVFAIL. Says why.
    Failed(String),
}

/// Addresses, and where they come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The name that has them, of all that were tried for the host, or the file they are in.
    pub name: String,
    /// At least one, in any order.
    pub addresses: Vec<IpAddr>,
    /// TTL of the answer, as the server gave it.
    pub ttl: Duration,
    /// The family whose query got no answer: it may have addresses.
    pub unanswered: Option<Family>,
    /// Names that were tried before and gave no answer, and why.
    pub failed: Vec<(String, String)>,
}

impl Resolved {
    /// A complete answer of one source, valid for [`TTL_MIN`].
    pub fn new(name: &str, addresses: Vec<IpAddr>) -> Resolved {
        Resolved {
            name: name.to_owned(),
            addresses,
            ttl: TTL_MIN,
            unanswered: None,
            failed: Vec::new(),
        }
    }
}

impl Answer {
    /// The word for metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Answer::Resolved(_) => "found",
            Answer::Nothing(_) => "nothing",
            Answer::Failed(_) => "failed",
        }
    }
}
