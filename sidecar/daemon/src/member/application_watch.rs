//! Is the application beside this sidecar there, and does it take calls?
//!
//! What is believed, and when to ask again: soon while it is absent, so that one that starts is
//! announced at once, and each second while it serves. How it is asked is in [`super::health_check`].

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;

use super::application_health::{Absence, ApplicationHealth};
use super::health_check::{CheckResult, check};

/// Time between two questions to one that serves, and the longest to one that answers that it does
/// not. 1 s: a third of what a lease forgives.
const INTERVAL: Duration = Duration::from_secs(1);

/// Time to the next question after a change for the worse; it doubles from there. 20 ms.
const SOON: Duration = Duration::from_millis(20);

/// Longest time to the next question while no process listens. 40 ms: an application that listens is
/// answered through the mesh within 100 ms, however long it took to start. To be refused costs both
/// ends some 20 us, and no process anything.
const REFUSED_AGAIN_MAX: Duration = Duration::from_millis(40);

/// Doubts in a row after which the application does not serve: one may be a moment's load.
const DOUBTS_MAX: u32 = 3;

/// Asks for ever; `health`, which begins as unknown, changes when the answer does.
pub async fn watch(application: SocketAddr, health: watch::Sender<ApplicationHealth>) {
    let (mut doubts, mut waited) = (0, SOON);
    loop {
        let result = check(application).await;
        let before = health.borrow().clone();
        let now = evaluate(result, &before, &mut doubts);
        let has_changed = now.is_news(&before);
        waited = wait(&now, has_changed, waited);
        if has_changed {
            let problem = now.problem(application);
            tracing::info!(%application, state = now.word(), problem, "the application changed");
            health.send_replace(now);
        }
        tokio::time::sleep(waited).await;
    }
}

/// What is believed after `before`? `doubts` counts those in a row.
fn evaluate(
    result: CheckResult,
    before: &ApplicationHealth,
    doubts: &mut u32,
) -> ApplicationHealth {
    *doubts = match result {
        CheckResult::Serving | CheckResult::Absent(_) => 0,
        CheckResult::Doubtful(_) => doubts.saturating_add(1),
        CheckResult::NotAsked => *doubts,
    };
    match result {
        CheckResult::Serving => ApplicationHealth::Serving,
        CheckResult::Absent(absence) => ApplicationHealth::Absent(absence),
        CheckResult::Doubtful(_) if before.is_serving() && *doubts < DOUBTS_MAX => {
            ApplicationHealth::Serving
        }
        // Who never answered is not there yet.
        CheckResult::Doubtful(absence) => ApplicationHealth::Absent(absence),
        CheckResult::NotAsked => before.clone(),
    }
}

/// How long to wait after an answer; `waited` is how long it was before it.
fn wait(now: &ApplicationHealth, has_changed: bool, waited: Duration) -> Duration {
    let longest = match now {
        ApplicationHealth::Serving => return INTERVAL,
        ApplicationHealth::Absent(Absence::NotListening) => REFUSED_AGAIN_MAX,
        ApplicationHealth::Absent(_) | ApplicationHealth::Unknown => INTERVAL,
    };
    match has_changed {
        true => SOON,
        false => (waited * 2).min(longest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;
    use tonic::Code;

    fn not_serving() -> ApplicationHealth {
        ApplicationHealth::Absent(Absence::NotServing("NOT_SERVING"))
    }

    /// How long is waited after each of these standings, milliseconds.
    fn waits(standings: &[ApplicationHealth]) -> Vec<u128> {
        let (mut before, mut waited) = (ApplicationHealth::Unknown, SOON);
        let waits = standings.iter().map(|now| {
            waited = wait(now, now.is_news(&before), waited);
            before = now.clone();
            waited.as_millis()
        });
        waits.collect()
    }

    #[test]
    fn an_absent_application_is_asked_soon_then_less_often() {
        let gone = ApplicationHealth::Absent(Absence::NotListening);
        let serving = ApplicationHealth::Serving;
        let doubling = [20, 40, 80, 160, 320, 640, 1_000, 1_000];
        assert_eq!(waits(&vec![not_serving(); 8]), doubling);
        assert_eq!(waits(&vec![gone.clone(); 4]), [20, 40, 40, 40]);
        let dies = [serving.clone(), gone.clone(), gone, not_serving()];
        assert_eq!(waits(&dies), [1_000, 20, 40, 20]);
        let returns = [not_serving(), not_serving(), serving.clone(), not_serving()];
        assert_eq!(waits(&returns), [20, 40, 1_000, 20]);
        assert_eq!(waits(&[ApplicationHealth::Unknown, serving]), [40, 1_000]);
    }

    #[test]
    fn only_doubts_in_a_row_count_and_a_question_not_asked_changes_nothing() {
        let late = || CheckResult::Doubtful(Absence::Silent);
        let failed = || CheckResult::Doubtful(Absence::Failed(Code::Internal, String::new()));
        let no = || CheckResult::Absent(Absence::NotServing("NOT_SERVING"));
        let (mut doubts, mut health) = (0, ApplicationHealth::Unknown);
        for (step, (result, expected)) in [
            (CheckResult::NotAsked, "unknown"),
            (late(), "silent"),
            (CheckResult::Serving, "serving"),
            (late(), "serving"),
            (failed(), "serving"),
            (CheckResult::Serving, "serving"),
            (late(), "serving"),
            (CheckResult::NotAsked, "serving"),
            (late(), "serving"),
            (failed(), "health_failed"),
            (CheckResult::NotAsked, "health_failed"),
            (late(), "silent"),
            (CheckResult::Serving, "serving"),
            (no(), "not_serving"),
        ]
        .into_iter()
        .enumerate()
        {
            health = evaluate(result, &health, &mut doubts);
            assert_eq!(health.word(), expected, "step {step}");
        }
    }

    #[tokio::test]
    async fn a_change_is_told_at_the_next_question() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (told, mut health) = watch::channel(ApplicationHealth::Serving);
        drop(listener);
        tokio::spawn(watch(address, told));
        let gone = ApplicationHealth::Absent(Absence::NotListening);
        let changed = health.wait_for(|health| *health == gone).await;
        assert!(changed.is_ok());
    }
}
