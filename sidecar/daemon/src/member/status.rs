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
    /// Where the application listens; `None`: this service only calls.
    pub application: Option<SocketAddr>,
    /// Where the control plane is told that the application is reached.
    pub advertised: Option<SocketAddr>,
    /// Why it is not announced although it should be.
    pub not_announced: Option<String>,
    /// Does the application take calls, as far as it was asked?
    pub application_serving: bool,
    /// Why it takes none; `None` also before it was asked.
    pub application_problem: Option<String>,
    /// Why this sidecar could not join again, when it last had to try; `None`: it did not have to, or
    /// the control plane believes it again.
    pub rejoin_refused: Option<String>,
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

    /// What is to be said beside the reasons not to send calls here: a certificate in use is good until
    /// it expires, and then there is no other.
    pub fn rejoining(&self) -> Option<String> {
        let why = self.rejoin_refused.as_ref()?;
        Some(format!("joining again is refused: {why}"))
    }

    /// Whether the application is announced, and if not, why; `None` without an application. No
    /// reason to be unready: a sidecar is there before its application.
    pub fn announcement(&self) -> Option<String> {
        let application = self.application?;
        let away = || (!self.connected).then(|| self.problem.clone()).flatten();
        let why = away()
            .or_else(|| self.not_announced.clone())
            .or_else(|| self.application_problem.clone());
        Some(match (why, self.advertised) {
            (Some(why), _) => format!("not announced: {why}"),
            (None, Some(at)) if self.application_serving => {
                format!("the application at {application} is announced at {at}")
            }
            (None, _) => {
                format!("not announced: the application at {application} was not asked yet")
            }
        })
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

    #[test]
    fn that_joining_again_is_refused_is_said_with_the_reason() {
        let refused = MemberStatus {
            rejoin_refused: Some("the token has been revoked".to_owned()),
            ..MemberStatus::default()
        };
        let expected = "joining again is refused: the token has been revoked";
        assert_eq!(refused.rejoining().as_deref(), Some(expected));
        assert_eq!(MemberStatus::default().rejoining(), None);
    }

    #[test]
    fn an_application_is_announced_or_there_is_a_reason() {
        let caller = MemberStatus::default();
        let unasked = MemberStatus {
            application: Some(SocketAddr::from(([127, 0, 0, 1], 7))),
            connected: true,
            ..MemberStatus::default()
        };
        let announced = MemberStatus {
            advertised: Some(SocketAddr::from(([10, 0, 0, 7], 15006))),
            application_serving: true,
            ..unasked.clone()
        };
        let absent = MemberStatus {
            application_serving: false,
            application_problem: Some("it is not there".to_owned()),
            ..announced.clone()
        };
        let refused = MemberStatus {
            not_announced: Some("10.0.0.7:0 is no address".to_owned()),
            ..announced.clone()
        };
        let alone = MemberStatus {
            connected: false,
            problem: Some("https://a:1 cannot be reached".to_owned()),
            ..announced.clone()
        };
        let cases = [
            (caller, None),
            (
                unasked,
                Some("not announced: the application at 127.0.0.1:7 was not asked yet"),
            ),
            (
                announced,
                Some("the application at 127.0.0.1:7 is announced at 10.0.0.7:15006"),
            ),
            (absent, Some("not announced: it is not there")),
            (refused, Some("not announced: 10.0.0.7:0 is no address")),
            (alone, Some("not announced: https://a:1 cannot be reached")),
        ];
        for (status, expected) in cases {
            assert_eq!(status.announcement().as_deref(), expected, "{status:?}");
        }
    }
}
