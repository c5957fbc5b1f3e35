//! Alive and ready: what would make an orchestrator act, as sentences.
//!
//! Not alive means "restart me": only a stalled worker says so. Not ready means "send me nothing
//! now". The start is not a state here: the admin listener answers when everything is up.

use std::time::Duration;

use crate::control::status::{IdentityStatus, Phase};

/// Longest time between two turns of a worker's loop. A loop without work turns once a second.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// A sentence for each worker that has not turned for too long.
pub fn stalled(silences: &[Duration]) -> Vec<String> {
    let silent = silences
        .iter()
        .enumerate()
        .filter(|(_, silence)| **silence > SILENCE_MAX);
    silent
        .map(|(worker, silence)| {
            format!(
                "worker {worker} has been silent for {:.1} s",
                silence.as_secs_f64()
            )
        })
        .collect()
}

/// A sentence for each reason not to send calls here.
pub fn not_ready(phase: Phase, identity: Option<&IdentityStatus>, now_unix: i64) -> Vec<String> {
    let mut problems = Vec::new();
    match phase {
        Phase::Serving => {}
        Phase::Draining => problems.push("draining".to_owned()),
    }
    if let Some(identity) = identity {
        let left = identity.expires_unix - now_unix;
        if left <= 0 {
            problems.push(format!("the certificate of {} has expired", identity.id));
        } else if identity.ready_until_unix < now_unix {
            let id = &identity.id;
            problems.push(format!("the certificate of {id} expires in {left} s"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_stalled_after_five_seconds() {
        let silences = [Duration::from_secs(1), Duration::from_millis(5_100)];
        assert_eq!(stalled(&silences), ["worker 1 has been silent for 5.1 s"]);
        assert!(stalled(&[SILENCE_MAX]).is_empty());
    }

    #[test]
    fn ready_needs_a_valid_identity_and_no_drain() {
        let expires_at = |expires_unix| IdentityStatus {
            id: "spiffe://outrider.local/ns/default/svc/orders".to_owned(),
            expires_unix,
            ready_until_unix: expires_unix - 10,
            refused: None,
        };
        let cases = [
            ("no identity is used", Phase::Serving, None, true),
            (
                "valid for long enough",
                Phase::Serving,
                Some(expires_at(110)),
                true,
            ),
            ("expires soon", Phase::Serving, Some(expires_at(109)), false),
            ("expired now", Phase::Serving, Some(expires_at(100)), false),
            ("draining", Phase::Draining, None, false),
        ];
        for (rule, phase, identity, expected) in cases {
            assert_eq!(
                not_ready(phase, identity.as_ref(), 100).is_empty(),
                expected,
                "{rule}"
            );
        }
    }
}
