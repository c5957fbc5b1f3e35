//! nsswitch.conf: which sources are asked for a host, and in which order (`man nsswitch.conf`).

use std::time::Duration;

/// How long an answer of the C library is valid, which gives no TTL. 30 s, the time that gRPC's
/// resolvers wait between two lookups.
pub const LIBRARY_TTL: Duration = Duration::from_secs(30);

/// glibc's default without the line `hosts:`.
const DEFAULT: &str = "files dns";

/// The sources to ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Switch {
    /// In this order.
    pub steps: Vec<Step>,
    /// The line also has modules that only the C library can ask.
    pub has_others: bool,
}

/// One source, and whether the search ends when it does not have the name (`[NOTFOUND=return]`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The source.
    pub source: Source,
    /// No further source is asked when this one does not have the name.
    pub ends: bool,
}

/// A source that we can ask ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// /etc/hosts.
    Files,
    /// The servers of /etc/resolv.conf.
    Dns,
}

/// The line `hosts:` of the file.
pub fn parse(text: &str) -> Switch {
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or(""));
    let mut hosts = lines.filter_map(|line| line.trim().strip_prefix("hosts:"));
    let line = hosts.next_back().unwrap_or(DEFAULT);
    // An action may have spaces in it and none before it.
    let line = line.replace('[', " [").replace(']', "] ");
    let mut switch = Switch::default();
    let mut words = line.split_whitespace();
    let mut ours = false;
    while let Some(word) = words.next() {
        if word.starts_with('[') {
            let mut action = word.to_owned();
            while !action.ends_with(']')
                && let Some(more) = words.next()
            {
                action.push(' ');
                action.push_str(more);
            }
            if let Some(last) = switch.steps.last_mut().filter(|_| ours) {
                last.ends = returns_when_not_found(&action);
            }
        } else {
            ours = switch.add(word);
        }
    }
    switch
}

impl Switch {
    /// Returns whether an action after the word applies to the step that the word added.
    fn add(&mut self, word: &str) -> bool {
        match word {
            "files" => self.step(Source::Files),
            "dns" => self.step(Source::Dns),
            // systemd-resolved reads /etc/hosts itself and is the server of resolv.conf.
            "resolve" => {
                self.step(Source::Files);
                self.step(Source::Dns);
            }
            _ => {
                self.has_others = true;
                return false;
            }
        }
        word != "resolve"
    }

    fn step(&mut self, source: Source) {
        if self.steps.iter().all(|step| step.source != source) {
            let ends = false;
            self.steps.push(Step { source, ends });
        }
    }
}

/// Does the action `[STATUS=action ...]` return when the name was not found?
fn returns_when_not_found(action: &str) -> bool {
    let inner = action.trim_matches(['[', ']']).to_ascii_lowercase();
    let returns = |word: &str| match word.split_once('=') {
        Some(("notfound", "return")) => true,
        Some((status, "return")) => {
            let negated = status.strip_prefix('!');
            negated.is_some_and(|status| status != "notfound")
        }
        Some(_) | None => false,
    };
    inner.split_whitespace().any(returns)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sources, and whether each ends the search.
    type Steps<'a> = &'a [(Source, bool)];

    #[test]
    fn who_is_asked_in_which_order() {
        use Source::{Dns, Files};
        let cases: [(&str, Steps<'_>, bool); 13] = [
            ("", &[(Files, false), (Dns, false)], false),
            ("passwd: files\n", &[(Files, false), (Dns, false)], false),
            ("hosts: files dns\n", &[(Files, false), (Dns, false)], false),
            (
                "hosts:\tdns files # x\n",
                &[(Dns, false), (Files, false)],
                false,
            ),
            ("hosts: files\n", &[(Files, false)], false),
            ("# hosts: dns\nhosts: files\n", &[(Files, false)], false),
            (
                "hosts: files [NOTFOUND=return] dns",
                &[(Files, true), (Dns, false)],
                false,
            ),
            (
                "hosts: dns[!UNAVAIL=return]files",
                &[(Dns, true), (Files, false)],
                false,
            ),
            (
                "hosts: dns [SUCCESS=continue !TRYAGAIN=return] files",
                &[(Dns, true), (Files, false)],
                false,
            ),
            (
                "hosts: files [UNAVAIL=return] dns",
                &[(Files, false), (Dns, false)],
                false,
            ),
            (
                "hosts: files mdns4_minimal [NOTFOUND=return] dns",
                &[(Files, false), (Dns, false)],
                true,
            ),
            (
                "hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns",
                &[(Files, false), (Dns, false)],
                true,
            ),
            ("hosts: db\n", &[], true),
        ];
        for (text, expected, has_others) in cases {
            let switch = parse(text);
            let steps: Vec<_> = switch.steps.iter().map(|it| (it.source, it.ends)).collect();
            assert_eq!(steps, expected, "{text:?}");
            assert_eq!(switch.has_others, has_others, "{text:?}");
        }
    }
}
