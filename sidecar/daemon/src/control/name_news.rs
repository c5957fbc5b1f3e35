//! Which answers for a name are logged.
//!
//! Names are looked up again and again, so an outage gives many failures. Only the first is logged, until
//! the name has resolved again.

use super::names::Name;

/// A change of a name that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameNews {
    /// It begins not to resolve, and has no addresses.
    Fails,
    /// It begins not to resolve, and its last addresses stay.
    FailsWithAddresses,
    /// It did not resolve, and has lost its last addresses now.
    LosesAddresses,
    /// It resolves again.
    Recovers,
}

/// The news between two states of one name; `None`: there is none.
pub fn news(before: &Name, after: &Name) -> Option<NameNews> {
    let lost = !before.addresses.is_empty() && after.addresses.is_empty();
    match (&before.problem, &after.problem) {
        (None, Some(_)) if after.addresses.is_empty() => Some(NameNews::Fails),
        (None, Some(_)) => Some(NameNews::FailsWithAddresses),
        (Some(_), Some(_)) if lost => Some(NameNews::LosesAddresses),
        (Some(_), None) => Some(NameNews::Recovers),
        (Some(_), Some(_)) | (None, None) => None,
    }
}

/// Writes the news of `host` into the log; a failure is a warning.
pub fn log_news(host: &str, before: &Name, after: &Name) {
    let problem = after.problem.as_deref().unwrap_or_default();
    match news(before, after) {
        Some(NameNews::Fails) => {
            tracing::warn!(host, problem, "the name of an endpoint does not resolve");
        }
        Some(NameNews::FailsWithAddresses) => tracing::warn!(
            host,
            problem,
            "the name of an endpoint does not resolve: its last addresses stay"
        ),
        Some(NameNews::LosesAddresses) => tracing::warn!(
            host,
            problem,
            "the name of an endpoint stands for no address any more"
        ),
        Some(NameNews::Recovers) => tracing::info!(host, "the name of an endpoint resolves again"),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::IpAddr;

    use outrider_policy::Tick;

    use super::super::answer::{Answer, Resolved};
    use super::super::names::Names;
    use super::*;

    fn found() -> Answer {
        Answer::Resolved(Resolved::new("orders.", vec![IpAddr::from([10, 0, 0, 1])]))
    }

    fn nothing() -> Answer {
        Answer::Nothing("no such name".to_owned())
    }

    /// Failures differ in their words, as those of several name servers do.
    fn failed(why: &str) -> Answer {
        Answer::Failed(why.to_owned())
    }

    /// The news of each of `answers`, which come one after the other.
    fn news_of(answers: impl IntoIterator<Item = Answer>) -> Vec<Option<NameNews>> {
        let mut names = Names::default();
        names.follow(BTreeSet::from(["orders".to_owned()]));
        let known = |names: &Names| names.find("orders").cloned().unwrap_or_default();
        let news = answers.into_iter().map(|answer| {
            let before = known(&names);
            names.record(Tick::ZERO, "orders", answer);
            news(&before, &known(&names))
        });
        news.collect()
    }

    #[test]
    fn a_name_that_fails_is_news_once_until_it_has_resolved_again() {
        use NameNews::{Fails, FailsWithAddresses, LosesAddresses, Recovers};
        let cases = [
            (
                "a name that never resolved",
                vec![nothing(), nothing(), failed("timed out")],
                vec![Some(Fails), None, None],
            ),
            (
                "a name that resolved before",
                vec![found(), failed("timed out"), failed("refused")],
                vec![None, Some(FailsWithAddresses), None],
            ),
            (
                "a second failure after it recovered",
                vec![failed("timed out"), found(), failed("timed out")],
                vec![Some(Fails), Some(Recovers), Some(FailsWithAddresses)],
            ),
            (
                "its addresses are lost at the second empty answer",
                vec![found(), nothing(), nothing(), nothing()],
                vec![None, Some(FailsWithAddresses), Some(LosesAddresses), None],
            ),
        ];
        for (rule, answers, expected) in cases {
            assert_eq!(news_of(answers), expected, "{rule}");
        }
    }
}
