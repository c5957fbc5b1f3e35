//! The last word to the mesh: "send no more calls here", and that it was heard.

use std::time::Duration;

use tokio::sync::watch;

/// Longest wait for the mesh to have heard: a control plane that is away must not hold up a stop.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// Is the application announced, as far as we know?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Calls may be sent here.
    In,
    /// Not announced, withdrawn, or nobody to tell.
    Out,
}

/// Held by who stops the process.
#[derive(Clone, Debug)]
pub struct Leave {
    asked: watch::Sender<bool>,
    standing: watch::Receiver<Standing>,
}

/// Held by who announces.
#[derive(Debug)]
pub struct Leaver {
    asked: watch::Receiver<bool>,
    standing: watch::Sender<Standing>,
    /// There was an announcement, and no withdrawal was heard since.
    owes_withdrawal: bool,
}

/// The two ends.
pub fn channel() -> (Leave, Leaver) {
    let (asked, asks) = watch::channel(false);
    let (stands, standing) = watch::channel(Standing::Out);
    let leave = Leave { asked, standing };
    let leaver = Leaver {
        asked: asks,
        standing: stands,
        owes_withdrawal: false,
    };
    (leave, leaver)
}

impl Leave {
    /// Withdraws, and waits until the mesh has heard: for `longest`, and 1 s, at most.
    pub async fn withdraw(mut self, longest: Duration) {
        self.asked.send_replace(true);
        let out = self
            .standing
            .wait_for(|standing| *standing == Standing::Out);
        let limit = ANSWER_TIMEOUT.min(longest);
        if tokio::time::timeout(limit, out).await.is_err() {
            tracing::warn!("the control plane has not confirmed the withdrawal");
        }
    }
}

impl Leaver {
    /// Returns when the withdrawal is asked for, or has been.
    pub async fn asked(&mut self) {
        if self.asked.wait_for(|asked| *asked).await.is_err() {
            // Nobody is left to ask.
            std::future::pending::<()>().await;
        }
    }

    /// Was it asked for?
    pub fn is_asked(&self) -> bool {
        *self.asked.borrow()
    }

    /// The withdrawal was asked for, and there is nothing (more) to withdraw.
    pub fn is_done(&self) -> bool {
        self.is_asked() && !self.owes_withdrawal
    }

    /// The application is about to be announced.
    pub fn announces(&mut self) {
        self.owes_withdrawal = true;
        self.standing.send_replace(Standing::In);
    }

    /// The mesh has heard the withdrawal.
    pub fn withdrawn(&mut self) {
        self.owes_withdrawal = false;
        self.standing.send_replace(Standing::Out);
    }

    /// Nobody hears us at present: not worth a wait, but what was announced is to be withdrawn as
    /// soon as somebody does.
    pub fn lost(&self) {
        self.standing.send_replace(Standing::Out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAIN: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn waits_for_the_answer_but_not_for_long() {
        for (standing, answered, waits) in [
            (Standing::Out, false, false),
            (Standing::In, true, false),
            (Standing::In, false, true),
        ] {
            let (leave, mut leaver) = channel();
            if standing == Standing::In {
                leaver.announces();
            }
            tokio::spawn(async move {
                leaver.asked().await;
                if answered {
                    leaver.withdrawn();
                }
                std::future::pending::<()>().await;
            });
            let left =
                tokio::time::timeout(ANSWER_TIMEOUT / 2, leave.clone().withdraw(DRAIN)).await;
            assert_eq!(left.is_err(), waits);
            let longest = ANSWER_TIMEOUT / 4;
            let left = tokio::time::timeout(ANSWER_TIMEOUT / 2, leave.withdraw(longest)).await;
            assert!(left.is_ok(), "a short drain waits less");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_announced_is_owed_a_withdrawal_though_nobody_hears() {
        let (leave, mut leaver) = channel();
        leaver.announces();
        leaver.lost();
        let left = tokio::time::timeout(ANSWER_TIMEOUT / 2, leave.withdraw(DRAIN)).await;
        assert!(left.is_ok(), "a stop does not wait for nobody");
        assert!(leaver.is_asked() && !leaver.is_done());
        leaver.withdrawn();
        assert!(leaver.is_done());
    }
}
