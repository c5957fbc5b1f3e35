//! Where this sidecar stands with its control plane, for the admin pages.

use std::net::SocketAddr;

use outrider_policy::Tick;

/// What is known of the membership.
#[derive(Clone, Debug, Default)]
pub struct MemberStatus {
    /// The control plane's URL.
    pub control_plane: String,
    /// Is there a stream of configuration?
    pub connected: bool,
    /// Why there is no identity or no stream; `None` while all is well.
    pub problem: Option<String>,
    /// When the control plane last said something of the configuration.
    pub answered_at: Option<Tick>,
    /// The version it said with that.
    pub answered_version: String,
    /// When the last good configuration that this process began with was saved. Seconds since
    /// 1970-01-01 UTC; `None`: it began without.
    pub restored_unix: Option<i64>,
    /// Where the control plane is told that the application is reached.
    pub advertised: Option<SocketAddr>,
    /// Why it is not announced although it should be.
    pub not_announced: Option<String>,
    /// Did the application answer when it was last asked?
    pub application_serving: bool,
    /// Resources whose last version is refused.
    pub rejected_count: usize,
}

impl MemberStatus {
    /// A sentence for each reason not to send calls here.
    pub fn not_ready(&self, has_identity: bool) -> Vec<String> {
        let why = self
            .problem
            .as_deref()
            .unwrap_or("the control plane was not asked yet");
        let mut problems = Vec::new();
        if !has_identity {
            problems.push(format!("no identity yet: {why}"));
        }
        if self.answered_at.is_none() && self.restored_unix.is_none() {
            problems.push(format!("no configuration yet: {why}"));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_needs_an_identity_and_a_configuration_of_now_or_before() {
        let unasked = MemberStatus::default();
        let refused = MemberStatus {
            problem: Some("the token is revoked".to_owned()),
            ..MemberStatus::default()
        };
        let restored = MemberStatus {
            restored_unix: Some(7),
            ..refused.clone()
        };
        let answered = MemberStatus {
            answered_at: Some(Tick::ZERO),
            ..MemberStatus::default()
        };
        let cases: [(MemberStatus, bool, &[&str]); 6] = [
            (
                unasked,
                true,
                &["no configuration yet: the control plane was not asked yet"],
            ),
            (
                refused,
                false,
                &[
                    "no identity yet: the token is revoked",
                    "no configuration yet: the token is revoked",
                ],
            ),
            (restored.clone(), true, &[]),
            (restored, false, &["no identity yet: the token is revoked"]),
            (answered.clone(), true, &[]),
            (
                answered,
                false,
                &["no identity yet: the control plane was not asked yet"],
            ),
        ];
        for (status, has_identity, expected) in cases {
            assert_eq!(status.not_ready(has_identity), expected, "{status:?}");
        }
    }
}
