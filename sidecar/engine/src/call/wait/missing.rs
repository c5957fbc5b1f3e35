//! What a call waits for, and what that means: its words, its line, the reason if it does not come.

use outrider_policy::order::Step;
use outrider_policy::{Policy, Reason, Rule, Tick};

use crate::call::grammar::shown;
use crate::cluster::ClusterState;
use crate::cluster::lines::Line;
use crate::record::WAITED_FOR;

/// What a call waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::call) enum Missing {
    /// A service, under the name it was asked for.
    Service(String),
    /// A time that a step of admission has set.
    Time {
        until: Tick,
        step: Step,
        /// Of the step's rules the one that did so.
        rule: Rule,
    },
    /// A first endpoint of the call's cluster.
    Endpoint,
    /// A stream: every endpoint has as many as it allows.
    Stream,
    /// An endpoint that can be reached; with what was said of the last that could not.
    Ready(String),
}

/// What calls wait for, in the order of [`WAITED_FOR`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitKind {
    Service,
    Endpoint,
    Connection,
    Stream,
    Ready,
    Time,
}

impl WaitKind {
    pub(crate) const COUNT: usize = WAITED_FOR.len();
}

impl Missing {
    pub(super) fn kind(&self) -> WaitKind {
        match self {
            Missing::Service(_) => WaitKind::Service,
            Missing::Time { .. } => WaitKind::Time,
            Missing::Endpoint => WaitKind::Endpoint,
            Missing::Stream => WaitKind::Stream,
            Missing::Ready(_) => WaitKind::Ready,
        }
    }

    /// Does `limits.waiting` of the call's cluster count it? An unknown service has limits of its own. A
    /// call that is held for its caller's resets takes no place that another caller's call may need.
    pub(super) fn is_limited(&self) -> bool {
        match self {
            Missing::Service(_) => false,
            Missing::Time { step, .. } => *step != Step::Hold,
            Missing::Endpoint | Missing::Stream | Missing::Ready(_) => true,
        }
    }

    /// What the answer says if it does not come in time. `None`: only the deadline is too late for it.
    pub(super) fn reason(&self) -> Option<Reason> {
        match self {
            Missing::Service(_) => Some(Reason::NotDiscovered),
            Missing::Endpoint => Some(Reason::NoEndpoint),
            Missing::Ready(_) => Some(Reason::UpstreamFailed),
            Missing::Stream | Missing::Time { .. } => None,
        }
    }

    /// The policy that lets the call wait, and its rule. `None`: no policy does, something is not there.
    pub(super) fn decided_by(&self) -> Option<(Policy, Rule)> {
        match self {
            Missing::Service(_) => Some((Policy::Step(Step::Route), Rule::Fixed("service"))),
            Missing::Time { step, rule, .. } => Some((Policy::Step(*step), rule.clone())),
            Missing::Ready(_) => Some((Policy::WaitForReady, Rule::Fixed("ready"))),
            Missing::Endpoint | Missing::Stream => None,
        }
    }

    /// The line of the cluster in which the call stands.
    pub(super) fn line<'a>(&self, cluster: &'a ClusterState) -> Option<&'a Line> {
        match self {
            Missing::Service(_) | Missing::Time { .. } => None,
            Missing::Endpoint | Missing::Stream => Some(&cluster.load.lines.room),
            Missing::Ready(_) => Some(&cluster.load.lines.ready),
        }
    }

    /// What the call was waiting for, after "while".
    pub(super) fn words(&self, cluster: Option<&ClusterState>) -> String {
        let unresolved = cluster.and_then(|cluster| cluster.config.unresolved.as_deref());
        let cluster = cluster.map_or("", |cluster| &cluster.name);
        match self {
            Missing::Service(name) => {
                let name = shown(name.as_bytes());
                format!("nobody said whether there is a service {name}")
            }
            Missing::Time { step, .. } => format!("the call was held at the step {step:?}"),
            Missing::Endpoint => match unresolved {
                Some(sentence) => format!("{cluster} had no address: {sentence}"),
                None => format!("{cluster} had no endpoint"),
            },
            Missing::Stream => {
                format!("every endpoint of {cluster} had as many streams as it allows")
            }
            Missing::Ready(words) => format!("no endpoint of {cluster} could be reached: {words}"),
        }
    }
}
