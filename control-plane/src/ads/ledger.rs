//! What a client was told, of one kind, and what it answered.
//!
//! Decides which answer belongs to what. Knows nothing of what exists or is wanted now.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use outrider_proto::{Kind, content_version};

use super::answer::{Answer, Verdict};
use super::catalogue::Item;

/// Responses of one kind without an answer, at most. A client that answers none gets no more;
/// what it missed is found by comparison when it answers.
const UNANSWERED_MAX: usize = 64;

/// What the client was last told under a name.
#[derive(Debug)]
pub(super) enum SentState {
    /// That there is nothing.
    Absent,
    /// On an earlier stream, and we cannot say what.
    Something,
    /// This, and what it said of it.
    This(Arc<Item>, Answer),
}

/// A resource as the client has it, for `status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// The version that was sent last.
    pub version: String,
    /// What the client said of that version.
    pub answer: Answer,
}

#[derive(Debug)]
struct Unanswered {
    nonce: String,
    /// Names and versions.
    sent: Vec<(String, String)>,
}

/// The books of one kind on one stream.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub sent_states: BTreeMap<String, SentState>,
    unanswered: VecDeque<Unanswered>,
    last_nonce: Option<String>,
}

impl Ledger {
    /// Is no response on its way that the client has not answered?
    pub fn is_answered(&self) -> bool {
        self.unanswered.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.unanswered.len() >= UNANSWERED_MAX
    }

    /// Does the client refuse something, so that it still uses what was before?
    pub fn has_rejected(&self) -> bool {
        let mut told = self.sent_states.values();
        told.any(|told| matches!(told, SentState::This(_, Answer::Rejected { .. })))
    }

    /// Is it another nonce than the last one? Before the first response there is none to be
    /// older than.
    pub fn is_stale(&self, nonce: &str) -> bool {
        let last = self.last_nonce.as_deref();
        !nonce.is_empty() && last.is_some_and(|last| last != nonce)
    }

    /// All resources that the client was told, as they are.
    pub fn items(&self) -> impl Iterator<Item = &Arc<Item>> {
        self.sent_states.values().filter_map(|told| match told {
            SentState::This(item, _) => Some(item),
            SentState::Absent | SentState::Something => None,
        })
    }

    pub fn holds(&self, item: &Item) -> bool {
        match self.sent_states.get(&item.name) {
            Some(SentState::This(told, _)) => told.version == item.version,
            Some(SentState::Absent | SentState::Something) | None => false,
        }
    }

    /// A version that depends only on what the client was told.
    pub fn version(&self) -> String {
        let items = self.items();
        let lines: Vec<_> = items.map(|i| format!("{}@{}", i.name, i.version)).collect();
        content_version(lines.join("\n").as_bytes())
    }

    /// Notes a resource that is now being sent; one sent again keeps its answer.
    pub fn tell(&mut self, item: &Arc<Item>) {
        if !self.holds(item) {
            let told = SentState::This(Arc::clone(item), Answer::Pending);
            self.sent_states.insert(item.name.clone(), told);
        }
    }

    /// Notes a response with these resources.
    pub fn sent<'i>(&mut self, nonce: String, items: impl IntoIterator<Item = &'i Arc<Item>>) {
        let items = items.into_iter();
        let sent = items.map(|item| (item.name.clone(), item.version.clone()));
        self.unanswered.push_back(Unanswered {
            nonce: nonce.clone(),
            sent: sent.collect(),
        });
        self.last_nonce = Some(nonce);
    }

    /// Notes an answer. It settles the response with that nonce and all before it, which the
    /// client has passed over.
    pub fn answered(&mut self, nonce: &str, verdict: &Verdict) {
        let mut unanswered = self.unanswered.iter();
        let Some(index) = unanswered.position(|response| response.nonce == nonce) else {
            return;
        };
        for response in self.unanswered.drain(..=index) {
            let own = response.nonce == nonce;
            let verdict = if own { verdict } else { &Verdict::Ack };
            for (name, version) in response.sent {
                if let Some(SentState::This(item, answer)) = self.sent_states.get_mut(&name)
                    && item.version == version
                {
                    *answer = verdict.of(&name, answer);
                }
            }
        }
    }

    /// Has the client taken everything that it was told?
    pub fn has_accepted_all(&self) -> bool {
        self.sent_states.values().all(|told| match told {
            SentState::This(_, answer) => *answer == Answer::Accepted,
            SentState::Absent | SentState::Something => true,
        })
    }

    pub fn standings(&self, kind: Kind) -> impl Iterator<Item = Standing> {
        self.sent_states
            .values()
            .filter_map(move |told| match told {
                SentState::This(item, answer) => Some(Standing {
                    kind,
                    name: item.name.clone(),
                    version: item.version.clone(),
                    answer: answer.clone(),
                }),
                SentState::Absent | SentState::Something => None,
            })
    }
}
