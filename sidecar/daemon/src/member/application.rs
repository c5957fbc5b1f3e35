//! Is the application beside this sidecar there, and does it take calls?
//!
//! What is believed, and when to ask again: soon while it is absent, so that one that starts is
//! announced at once, and each second while it serves. How it is asked is in [`super::question`].

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;

use super::question::{Seen, ask};
use super::standing::{Absence, Standing};

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

/// Asks for ever; `standing`, which begins as unknown, changes when the answer does.
pub async fn watch(application: SocketAddr, standing: watch::Sender<Standing>) {
    let (mut doubts, mut waited) = (0, SOON);
    loop {
        let seen = ask(application).await;
        let before = standing.borrow().clone();
        let now = judge(seen, &before, &mut doubts);
        let has_changed = now.is_news(&before);
        waited = wait(&now, has_changed, waited);
        if has_changed {
            let problem = now.problem(application);
            tracing::info!(%application, state = now.word(), problem, "the application changed");
            standing.send_replace(now);
        }
        tokio::time::sleep(waited).await;
    }
}

/// What is believed after `before`? `doubts` counts those in a row.
fn judge(seen: Seen, before: &Standing, doubts: &mut u32) -> Standing {
    *doubts = match seen {
        Seen::Serving | Seen::Absent(_) => 0,
        Seen::Doubtful(_) => doubts.saturating_add(1),
        Seen::NotAsked => *doubts,
    };
    match seen {
        Seen::Serving => Standing::Serving,
        Seen::Absent(absence) => Standing::Absent(absence),
        Seen::Doubtful(_) if before.is_serving() && *doubts < DOUBTS_MAX => Standing::Serving,
        // Who never answered is not there yet.
        Seen::Doubtful(absence) => Standing::Absent(absence),
        Seen::NotAsked => before.clone(),
    }
}

/// How long to wait after an answer; `waited` is how long it was before it.
fn wait(now: &Standing, has_changed: bool, waited: Duration) -> Duration {
    let longest = match now {
        Standing::Serving => return INTERVAL,
        Standing::Absent(Absence::NotListening) => REFUSED_AGAIN_MAX,
        Standing::Absent(_) | Standing::Unknown => INTERVAL,
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

    fn not_serving() -> Standing {
        Standing::Absent(Absence::NotServing("NOT_SERVING"))
    }

    /// How long is waited after each of these standings, milliseconds.
    fn waits(standings: &[Standing]) -> Vec<u128> {
        let (mut before, mut waited) = (Standing::Unknown, SOON);
        let waits = standings.iter().map(|now| {
            waited = wait(now, now.is_news(&before), waited);
            before = now.clone();
            waited.as_millis()
        });
        waits.collect()
    }

    #[test]
    fn an_absent_application_is_asked_soon_then_less_often() {
        let gone = Standing::Absent(Absence::NotListening);
        let serving = Standing::Serving;
        let doubling = [20, 40, 80, 160, 320, 640, 1_000, 1_000];
        assert_eq!(waits(&vec![not_serving(); 8]), doubling);
        assert_eq!(waits(&vec![gone.clone(); 4]), [20, 40, 40, 40]);
        let dies = [serving.clone(), gone.clone(), gone, not_serving()];
        assert_eq!(waits(&dies), [1_000, 20, 40, 20]);
        let returns = [not_serving(), not_serving(), serving.clone(), not_serving()];
        assert_eq!(waits(&returns), [20, 40, 1_000, 20]);
        assert_eq!(waits(&[Standing::Unknown, serving]), [40, 1_000]);
    }

    #[test]
    fn only_doubts_in_a_row_count_and_a_question_not_asked_changes_nothing() {
        let late = || Seen::Doubtful(Absence::Silent);
        let failed = || Seen::Doubtful(Absence::Failed(Code::Internal, String::new()));
        let no = || Seen::Absent(Absence::NotServing("NOT_SERVING"));
        let (mut doubts, mut standing) = (0, Standing::Unknown);
        for (step, (seen, expected)) in [
            (Seen::NotAsked, "unknown"),
            (late(), "silent"),
            (Seen::Serving, "serving"),
            (late(), "serving"),
            (failed(), "serving"),
            (Seen::Serving, "serving"),
            (late(), "serving"),
            (Seen::NotAsked, "serving"),
            (late(), "serving"),
            (failed(), "health_failed"),
            (Seen::NotAsked, "health_failed"),
            (late(), "silent"),
            (Seen::Serving, "serving"),
            (no(), "not_serving"),
        ]
        .into_iter()
        .enumerate()
        {
            standing = judge(seen, &standing, &mut doubts);
            assert_eq!(standing.word(), expected, "step {step}");
        }
    }

    #[tokio::test]
    async fn a_change_is_told_at_the_next_question() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (told, mut standing) = watch::channel(Standing::Serving);
        drop(listener);
        tokio::spawn(watch(address, told));
        let gone = Standing::Absent(Absence::NotListening);
        let changed = standing.wait_for(|standing| *standing == gone).await;
        assert!(changed.is_ok());
    }
}
