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
}

/// The two ends.
pub fn channel() -> (Leave, Leaver) {
    let (asked, asks) = watch::channel(false);
    let (stands, standing) = watch::channel(Standing::Out);
    let leave = Leave { asked, standing };
    let leaver = Leaver {
        asked: asks,
        standing: stands,
    };
    (leave, leaver)
}

impl Leave {
    /// Withdraws, and waits until the mesh has heard, 1 s at most.
    pub async fn withdraw(mut self) {
        self.asked.send_replace(true);
        let out = self
            .standing
            .wait_for(|standing| *standing == Standing::Out);
        if tokio::time::timeout(ANSWER_TIMEOUT, out).await.is_err() {
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

    /// Says how it stands.
    pub fn stands(&self, standing: Standing) {
        self.standing.send_replace(standing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_for_the_answer_but_not_for_long() {
        for (standing, answered, waits) in [
            (Standing::Out, false, false),
            (Standing::In, true, false),
            (Standing::In, false, true),
        ] {
            let (leave, mut leaver) = channel();
            leaver.stands(standing);
            tokio::spawn(async move {
                leaver.asked().await;
                if answered {
                    leaver.stands(Standing::Out);
                }
                std::future::pending::<()>().await;
            });
            let left = tokio::time::timeout(ANSWER_TIMEOUT / 2, leave.clone().withdraw()).await;
            assert_eq!(left.is_err(), waits);
            leave.withdraw().await;
        }
    }
}
