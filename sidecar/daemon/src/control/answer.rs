//! What a lookup of a host name said: `resolve` makes it, `names` decides what becomes of it.

use std::net::IpAddr;
use std::time::Duration;

use outrider_policy::Family;

use super::names::TTL_MIN;

/// What a lookup said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// There are addresses.
    Resolved(Resolved),
    /// Every name tried is denied: it does not exist or has no address; with how.
    Nothing(String),
    /// No answer that says anything for one of the names tried: time-out, SERVFAIL; with why.
    Failed(String),
}

/// Addresses, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The name that has them, of all that were tried for the host, or the file they are in.
    pub name: String,
    /// At least one, in any order.
    pub addresses: Vec<IpAddr>,
    /// Life of the answer as the server said it.
    pub ttl: Duration,
    /// The family whose question got no answer: it may have addresses.
    pub unanswered: Option<Family>,
    /// Names that were tried before and gave no answer, and why.
    pub failed: Vec<(String, String)>,
}

impl Resolved {
    /// All there is, from one source, for [`TTL_MIN`].
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
