//! Withdrawing the announcement of the application before the process stops.

use std::time::Duration;

use tokio::sync::watch;

/// Longest wait for the confirmation: an absent control plane must not hold up a stop.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// Is the application announced, as far as we know?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnouncementState {
    /// Calls may be sent here.
    Announced,
    /// Not announced, withdrawn, or no control plane is connected.
    NotAnnounced,
}

/// The supervisor's end: asks for the withdrawal.
#[derive(Clone, Debug)]
pub struct WithdrawalHandle {
    asked: watch::Sender<bool>,
    state: watch::Receiver<AnnouncementState>,
}

/// The announcer's end: carries the withdrawal out.
#[derive(Debug)]
pub struct WithdrawalReceiver {
    asked: watch::Receiver<bool>,
    state: watch::Sender<AnnouncementState>,
    /// The application was announced, and no withdrawal has been confirmed since.
    owes_withdrawal: bool,
}

/// The two ends.
pub fn channel() -> (WithdrawalHandle, WithdrawalReceiver) {
    let (asked, asks) = watch::channel(false);
    let (state_sender, state) = watch::channel(AnnouncementState::NotAnnounced);
    let handle = WithdrawalHandle { asked, state };
    let withdrawal = WithdrawalReceiver {
        asked: asks,
        state: state_sender,
        owes_withdrawal: false,
    };
    (handle, withdrawal)
}

impl WithdrawalHandle {
    /// Withdraws and waits for the confirmation, at most `longest` and at most 1 s.
    pub async fn withdraw(mut self, longest: Duration) {
        self.asked.send_replace(true);
        let out = self
            .state
            .wait_for(|state| *state == AnnouncementState::NotAnnounced);
        let limit = ANSWER_TIMEOUT.min(longest);
        if tokio::time::timeout(limit, out).await.is_err() {
            tracing::warn!("the control plane has not confirmed the withdrawal");
        }
    }
}

impl WithdrawalReceiver {
    /// Returns when the withdrawal is asked for, or has been.
    pub async fn asked(&mut self) {
        if self.asked.wait_for(|asked| *asked).await.is_err() {
            // The sender is gone: no withdrawal can be asked for.
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
    pub fn announced(&mut self) {
        self.owes_withdrawal = true;
        self.state.send_replace(AnnouncementState::Announced);
    }

    /// The control plane has confirmed the withdrawal.
    pub fn withdrawn(&mut self) {
        self.owes_withdrawal = false;
        self.state.send_replace(AnnouncementState::NotAnnounced);
    }

    /// There is no connection: a stop does not wait, but the withdrawal is still sent on the next
    /// connection.
    pub fn disconnected(&self) {
        self.state.send_replace(AnnouncementState::NotAnnounced);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAIN: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn waits_for_the_answer_but_not_for_long() {
        for (state, answered, waits) in [
            (AnnouncementState::NotAnnounced, false, false),
            (AnnouncementState::Announced, true, false),
            (AnnouncementState::Announced, false, true),
        ] {
            let (handle, mut withdrawal) = channel();
            if state == AnnouncementState::Announced {
                withdrawal.announced();
            }
            tokio::spawn(async move {
                withdrawal.asked().await;
                if answered {
                    withdrawal.withdrawn();
                }
                std::future::pending::<()>().await;
            });
            let left =
                tokio::time::timeout(ANSWER_TIMEOUT / 2, handle.clone().withdraw(DRAIN)).await;
            assert_eq!(left.is_err(), waits);
            let longest = ANSWER_TIMEOUT / 4;
            let left = tokio::time::timeout(ANSWER_TIMEOUT / 2, handle.withdraw(longest)).await;
            assert!(left.is_ok(), "a short drain waits less");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_announced_is_owed_a_withdrawal_though_nobody_hears() {
        let (handle, mut withdrawal) = channel();
        withdrawal.announced();
        withdrawal.disconnected();
        let left = tokio::time::timeout(ANSWER_TIMEOUT / 2, handle.withdraw(DRAIN)).await;
        assert!(left.is_ok(), "a stop does not wait without a connection");
        assert!(withdrawal.is_asked() && !withdrawal.is_done());
        withdrawal.withdrawn();
        assert!(withdrawal.is_done());
    }
}
