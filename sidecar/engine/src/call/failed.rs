//! An attempt that fails below the application: what is known of it, judged, then tried again or said.
//!
//! What failed and whether the request was surely not processed is said in [`AttemptError`], where the
//! fact is known. Whether to try again is decided in `retry.rs`.

use outrider_http2::ErrorCode;
use outrider_policy::{AttemptEnd, Class, Code, Processed, Reason, Tick, deadline};

use super::Call;
use crate::engine::Engine;
use crate::ids::CallId;
use crate::refusal::Refusal;

/// How an attempt failed below the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttemptError {
    /// What we would answer if nothing else is tried.
    pub(crate) reason: Reason,
    /// What happened, for people.
    pub(crate) words: String,
    /// Was the request surely not processed?
    pub(crate) processed: Processed,
    /// The endpoint says that it did nothing: the stream was refused, or above a GOAWAY.
    pub(crate) refused: bool,
    /// It is going away, which is why.
    pub(crate) is_going: bool,
    /// The code with which it reset the stream.
    pub(crate) reset: Option<ErrorCode>,
    /// What failed says nothing of the endpoint: an application's own words, for one.
    pub(crate) is_blameless: bool,
}

impl AttemptError {
    /// No connection: nothing was sent.
    pub(crate) fn connect(words: String) -> AttemptError {
        AttemptError {
            reason: Reason::UpstreamFailed,
            words,
            processed: Processed::No,
            refused: false,
            is_going: false,
            reset: None,
            is_blameless: false,
        }
    }

    /// The connection or the stream broke after the request was sent.
    pub(crate) fn lost(words: String) -> AttemptError {
        AttemptError {
            processed: Processed::Unknown,
            ..AttemptError::connect(words)
        }
    }

    /// The endpoint broke a rule of HTTP/2 or gRPC.
    pub(crate) fn protocol(words: String) -> AttemptError {
        AttemptError {
            reason: Reason::UpstreamProtocol,
            ..AttemptError::lost(words)
        }
    }

    /// The same for a call that had not been sent.
    pub(crate) fn unprocessed(self) -> AttemptError {
        AttemptError {
            processed: Processed::No,
            ..self
        }
    }
}

impl Engine {
    /// The running attempt has had its time. It is cut off only for another one: what cannot be
    /// repeated may be about to take effect, and its caller must not hear that it did not.
    pub(crate) fn try_timed_out(&mut self, id: CallId) {
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        if let Some(attempt) = call.attempt_mut() {
            attempt.per_try_timer = None;
        }
        let processed = match call.upstream() {
            Some(_) => Processed::Unknown,
            None => Processed::No,
        };
        // There is no answer, as when a connection is lost.
        let end = AttemptEnd {
            code: Code::Unavailable,
            processed,
            pushback: None,
            refused: false,
        };
        let Some(again) = self.decide_retry(id, &end) else {
            return;
        };
        let class = self.judge_timeout(id);
        self.end_attempt(id, Code::DeadlineExceeded, class);
        if let Some(call) = self.calls.at_mut(id) {
            call.maybe_processed += u32::from(processed != Processed::No);
        }
        self.back_off(id, again);
    }

    /// The attempt failed below the application: judged, then retried or refused.
    pub(crate) fn attempt_failed(&mut self, id: CallId, error: &AttemptError) {
        let call = self.calls.at(id);
        if error.reason == Reason::UpstreamCancelled
            && call.is_some_and(|it| is_ending(it, self.now))
        {
            return self.deadline_kept(id);
        }
        let is_free = error.refused && call.is_some_and(|call| !call.free_replay_used);
        let class = match error.reason {
            Reason::NoSocket => Class::Neutral,
            // An endpoint that goes away in good order has failed nobody, and one that refuses a
            // call is blamed once.
            _ if is_free || error.is_going || error.is_blameless => Class::Neutral,
            reason => reason.class(),
        };
        self.end_attempt(id, error.reason.code(), class);
        let end = AttemptEnd {
            code: error.reason.retried_as(),
            processed: error.processed,
            pushback: None,
            refused: error.refused,
        };
        if self.retry(id, &end) {
            return;
        }
        let sentence = self.failure_sentence(id, error);
        self.end_refused(
            id,
            Refusal {
                unprocessed: error.processed == Processed::No,
                class,
                reset: error.reset,
                ..Refusal::late(error.reason, sentence)
            },
        );
    }

    fn failure_sentence(&self, id: CallId, error: &AttemptError) -> String {
        let Some(call) = self.calls.at(id) else {
            return error.words.clone();
        };
        let cluster = call
            .cluster
            .as_ref()
            .map_or("upstream", |cluster| &cluster.name);
        let tries = match call.attempts {
            1 => "1 attempt".to_owned(),
            attempts => format!("{attempts} attempts"),
        };
        match call.last_endpoint {
            Some(endpoint) => {
                format!(
                    "{cluster} at {endpoint} failed after {tries}: {}",
                    error.words
                )
            }
            None => format!("{cluster} failed after {tries}: {}", error.words),
        }
    }
}

/// Are these the last moments of the call, in which its server ends it for the deadline?
fn is_ending(call: &Call, now: Tick) -> bool {
    let deadline = call.deadline;
    deadline.is_some_and(|deadline| deadline::is_at_hand(call.started, deadline, now))
}
