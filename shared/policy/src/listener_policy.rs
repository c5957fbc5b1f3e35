//! What one listener wants of the connections and calls that it accepts, already effective.

use crate::{AuthorizationPolicies, Lifetimes};

/// The policy of everything that a listener accepts. A policy of the accepting side is a field here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListenerPolicy {
    /// How long its connections live; of the inbound listener also those to the local application.
    pub lifetimes: Lifetimes,
    /// Who may call; of the inbound listener. Default: everybody.
    pub authorization: AuthorizationPolicies,
}
