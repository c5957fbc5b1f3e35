//! The label sets. Field names are the labels' names in `docs/METRICS.md`.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;

use super::known_labels::OTHER;

/// A label set with a stand-in for when its family is full.
pub trait Labels {
    /// The same set with everything open-ended replaced by `other`.
    fn capped(&self) -> Self;
}

/// Calls by how they ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct CallLabels {
    pub side: &'static str,
    pub service: Arc<str>,
    pub method: Arc<str>,
    pub code: &'static str,
    pub peer: Arc<str>,
}

/// Calls by method.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct MethodLabels {
    pub side: &'static str,
    pub service: Arc<str>,
    pub method: Arc<str>,
}

/// Calls by service.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ServiceLabels {
    pub side: &'static str,
    pub service: Arc<str>,
}

/// Endpoints by service and state.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct EndpointLabels {
    pub service: Arc<str>,
    pub state: &'static str,
}

/// By listener.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct SideLabels {
    pub side: &'static str,
}

/// By what a contained panic ended, a closed list.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct EndedLabels {
    pub ended: &'static str,
}

/// By what was ended for want of memory, a closed list.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct GivenUpLabels {
    pub what: &'static str,
}

/// By what a call waits for, a closed list.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct MissingLabels {
    pub missing: &'static str,
}

/// By what a call waited for and how that ended; both are closed lists.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct WaitLabels {
    pub missing: &'static str,
    pub result: &'static str,
}

/// By listener and reason; both are closed lists.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RefusalLabels {
    pub side: &'static str,
    pub reason: &'static str,
}

/// Decisions by policy, verdict and rule. The configuration names rules.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct DecisionLabels {
    pub side: &'static str,
    pub policy: &'static str,
    pub verdict: &'static str,
    pub rule: Arc<str>,
}

/// By listener and result; both are closed lists.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct HandshakeLabels {
    pub side: &'static str,
    pub result: &'static str,
}

/// By end of the connection, `downstream` or `upstream`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct EndLabels {
    pub end: &'static str,
}

/// By end of the connection and by why it was ended; both are closed lists.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct CauseLabels {
    pub end: &'static str,
    pub cause: &'static str,
}

/// By end of the connection and by which limit tripped; both are closed lists.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct LimitLabels {
    pub end: &'static str,
    pub limit: &'static str,
}

/// By listener and by what the peer spoke; both are closed lists.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ForeignLabels {
    pub side: &'static str,
    pub protocol: &'static str,
}

/// By result, a closed list.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ResultLabels {
    pub result: &'static str,
}

impl Labels for CallLabels {
    fn capped(&self) -> CallLabels {
        let other: Arc<str> = Arc::from(OTHER);
        CallLabels {
            side: self.side,
            service: Arc::clone(&other),
            method: Arc::clone(&other),
            code: self.code,
            peer: other,
        }
    }
}

impl Labels for DecisionLabels {
    fn capped(&self) -> DecisionLabels {
        DecisionLabels {
            rule: Arc::from(OTHER),
            ..self.clone()
        }
    }
}

impl Labels for MethodLabels {
    fn capped(&self) -> MethodLabels {
        MethodLabels {
            side: self.side,
            service: Arc::from(OTHER),
            method: Arc::from(OTHER),
        }
    }
}

impl Labels for ServiceLabels {
    fn capped(&self) -> ServiceLabels {
        ServiceLabels {
            side: self.side,
            service: Arc::from(OTHER),
        }
    }
}

impl Labels for EndpointLabels {
    fn capped(&self) -> EndpointLabels {
        EndpointLabels {
            service: Arc::from(OTHER),
            state: self.state,
        }
    }
}
