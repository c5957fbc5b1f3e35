//! What must hold of one call by itself: its head, its answer, its records.
//!
//! Pure functions of the call's shadow; each returns what is wrong, in words.

use outrider_engine::{Outcome, Reason};
use outrider_http2::{ErrorCode, Fields};
use outrider_policy::Code;

use super::call::{Call, CallEnd, Delivery, DeliveryEnd};
use super::client::{CALLER_FIELD, FILLER, MARK, TRACE, filler};
use super::fields::text;
use super::panics::faults_of;

/// The head as its server must see it.
pub(super) fn wrong_head(number: usize, call: &Call, head: &Fields) -> Option<String> {
    let callers: Vec<_> = head.find_all(CALLER_FIELD).collect();
    let trace = text(head, b"traceparent").unwrap_or_default();
    let goes_on = trace[..trace.len().min(35)] == TRACE[..35];
    let authority = text(head, b":authority").unwrap_or_default();
    let good = text(head, b":path") == Some(call.plan.method.path())
        && matches!(callers[..], [caller] if caller.ends_with(b";URI=spiffe://sim.test/ns/default/svc/client"))
        && goes_on == number.is_multiple_of(4)
        && authority.starts_with("echo")
        && head.find(MARK).is_none()
        && call.plan.oddity.reason().is_none()
        && head
            .find_all(FILLER)
            .flatten()
            .eq(filler(call.plan.oddity).as_bytes());
    (!good).then(|| format!("a head as nobody sent it: {head:?}"))
}

/// A whole answer is what its server sent; part of one is its beginning.
pub(super) fn wrong_answer(call: &Call) -> Option<String> {
    let answer = &call.answer;
    let delivery = answer
        .delivery
        .map(|delivery| call.deliveries.get(delivery));
    match (call.end?, delivery) {
        (_, Some(None)) => Some("answered by a delivery that never was".to_owned()),
        (CallEnd::Answered, Some(Some(delivery))) => {
            let ours = answer.refusal.is_some() && answer.has_trailers;
            let same = delivery.end == Some(DeliveryEnd::Answered)
                && delivery.given == answer.octets
                && delivery.interims == answer.interims
                && delivery.status == Some(answer.status)
                && (delivery.code == answer.code || !call.plan.method.is_grpc());
            (!same && !ours).then(|| format!("got {answer:?}, the server gave {delivery:?}"))
        }
        (CallEnd::Answered, None) => wrong_own_answer(call),
        (CallEnd::Reset(code), _) => {
            // Towards the application: a refused stream, or a begun plain answer that broke.
            let begun = answer.has_head && !call.plan.method.is_grpc();
            let known = code == ErrorCode::RefusedStream && !answer.has_head || begun;
            (!known).then(|| format!("was reset with {code:?}: {answer:?}"))
        }
        (CallEnd::Lost | CallEnd::Cancelled, _) => None,
    }
}

/// An answer that no server gave says whose it is.
fn wrong_own_answer(call: &Call) -> Option<String> {
    let answer = &call.answer;
    let good = if call.plan.method.is_grpc() {
        answer.status == 200
            && answer.refusal.is_some()
            && answer.code.is_some_and(|it| it != Code::Ok)
    } else {
        answer.status >= 400 && answer.refusal.is_some()
    };
    (!good).then(|| format!("answered by nobody: {answer:?}"))
}

/// Exactly one record per call and side, which agrees with what the client saw.
pub(super) fn wrong_records(call: &Call) -> Option<String> {
    let (ended, records) = (call.end?, call.outbound.len());
    let expected = match ended {
        CallEnd::Answered => 1..=1,
        CallEnd::Reset(ErrorCode::RefusedStream) => 0..=0,
        CallEnd::Reset(_) => 1..=1,
        CallEnd::Lost | CallEnd::Cancelled => 0..=1,
    };
    if !expected.contains(&records) {
        return Some(format!("{ended:?} with {records} records"));
    }
    let attempts: u32 = call.outbound.iter().map(|record| record.attempts).sum();
    let passed: u32 = call.inbound.iter().map(|record| record.attempts).sum();
    // What a panic ended has not counted its last head.
    let counted = faults_of(call) == 0;
    let too_many =
        call.inbound.len() > attempts as usize || call.deliveries.len() > passed as usize;
    if counted && too_many {
        let (inbound, seen) = (call.inbound.len(), call.deliveries.len());
        return Some(format!(
            "{attempts} attempts, {inbound} arrived, {passed} passed on, {seen} seen"
        ));
    }
    wrong_record(call)
}

/// The record of the caller's sidecar against what the client saw.
fn wrong_record(call: &Call) -> Option<String> {
    let (record, ended) = (call.outbound.first()?, call.end?);
    let agrees = match (record.outcome, ended) {
        (Outcome::Answered, CallEnd::Answered) => {
            !call.plan.method.is_grpc() || Some(record.code) == call.answer.code
        }
        (Outcome::Refused(reason), CallEnd::Answered) => {
            call.answer.refusal.as_deref() == Some(reason.name())
        }
        (Outcome::Cancelled, CallEnd::Answered) => false,
        (Outcome::Answered | Outcome::Refused(_) | Outcome::Cancelled, _) => true,
    };
    (!agrees).then(|| format!("{ended:?} {:?}, recorded as {record:?}", call.answer))
}

/// A failure that the rules allow to be retried is passed on only when the attempts are used up.
/// `attempts_max` as configured; for calls without a deadline in a run whose budget was never empty.
pub(super) fn missed_retry(call: &Call, attempts_max: u8, disturbed: bool) -> Option<String> {
    let record = call.outbound.first()?;
    let answer = &call.answer;
    let failed = record.code == Code::Unavailable && call.end? == CallEnd::Answered;
    let seen = answer.has_trailers || answer.octets > answer.json.len();
    let refused = call.deliveries.iter().all(Delivery::is_refused);
    // In a disturbed run nobody outside can tell whether a request was surely not processed.
    let retryable = call.plan.method.is_idempotent() || refused && !disturbed;
    let stopped = call.deliveries.iter().any(|delivery| delivery.says_stop);
    // Where there is nobody to try, nothing was tried.
    let nobody = [Reason::NotDiscovered, Reason::NoEndpoint].map(Reason::name);
    let alone = nobody.map(Some).contains(&answer.refusal.as_deref());
    let due = failed && !seen && retryable && !stopped && !alone;
    (due && record.retries + 1 < u32::from(attempts_max))
        .then(|| format!("not retried: {record:?}"))
}
