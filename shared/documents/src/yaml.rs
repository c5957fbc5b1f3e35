//! Text to wire types: one YAML document at a time, strict and bounded.
//!
//! Knows neither what is around a document ([`crate::stream`]) nor what its fields mean.

use crate::error::{Place, Report};
use crate::stream::Text;
use serde::de::DeserializeOwned;
use serde_saphyr::{Error, MessageFormatter, UserMessageFormatter};

/// Largest document. Bytes. Beyond any honest document; parsing is linear in it.
const DOCUMENT_BYTES_MAX: usize = 1 << 20;

impl Text<'_> {
    /// Parses the document; what is wrong goes into the report.
    pub fn parse<T: DeserializeOwned>(&self, report: &mut Report<'_>) -> Option<T> {
        if self.text.len() > DOCUMENT_BYTES_MAX {
            let message = format!("the document is larger than {DOCUMENT_BYTES_MAX} bytes");
            report.push(self.place(), message);
            return None;
        }
        if self.has_open_directives() {
            report.push(
                self.place(),
                "lines that begin with `%` need a line `---` after them",
            );
            return None;
        }
        match serde_saphyr::from_str_with_options(self.text, options()) {
            Ok(value) => Some(value),
            Err(error) => {
                report.push(self.place_of(&error), message(&error));
                None
            }
        }
    }

    fn place_of(&self, error: &Error) -> Place {
        match error.location() {
            Some(location) if location.line() > 0 => self.origin.place(location),
            Some(_) | None => self.place(),
        }
    }
}

fn message(error: &Error) -> String {
    match error.without_snippet() {
        Error::InvalidScalar { ty, .. } => format!("expected a number of type {ty}"),
        other => UserMessageFormatter.format_message(other).into_owned(),
    }
}

// Aliases are a convenience for people; these bounds leave room for that and none
// for a document that unfolds to a million nodes.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: 2,
            max_depth: 32,
            max_nodes: 50_000,
            max_events: 100_000,
            max_anchors: 64,
            max_aliases: 64,
            max_merge_keys: 16,
            max_recorded_anchor_events: 10_000,
            max_total_scalar_bytes: DOCUMENT_BYTES_MAX,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 10_000,
            max_replay_stack_depth: 8,
            max_alias_expansions_per_anchor: 64,
        },
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::split;
    use serde::Deserialize;

    #[expect(dead_code, reason = "only what cannot be parsed is looked at")]
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        weight: Option<u32>,
        list: Option<Vec<String>>,
        deep: Option<serde_json::Value>,
    }

    fn problem(text: &str) -> String {
        let files = [("f", text)];
        let mut report = Report::new(&files);
        for document in split(0, text) {
            let parsed: Option<Sample> = document.parse(&mut report);
            assert!(parsed.is_none() || report.is_empty());
        }
        let errors = report.into_errors();
        let text: Vec<String> = errors
            .iter()
            .map(|error| format!("{}:{} {}", error.line, error.column, error.message))
            .collect();
        text.join("\n")
    }

    #[test]
    fn what_is_wrong_is_said_where_it_is() {
        let cases = [
            ("weight: 1\n", ""),
            (
                "wheight: 1\n",
                "1:1 unknown field `wheight`, expected one of weight, list, deep",
            ),
            (
                "---\nweight: 1\n---\n\nweight: -1\n",
                "5:9 expected a number of type u32",
            ),
            (
                "weight: 1\nweight: 2\n",
                "2:1 duplicate mapping key: weight not allowed here",
            ),
            ("list: [\n", "1:7 unclosed bracket '['"),
            (
                "weight: a\n---\nweight: b\n",
                "1:9 expected a number of type u32\n3:9 expected a number of type u32",
            ),
            (
                "%YAML 1.2\n---\nweight: 1\n...\nweight: -1\n",
                "5:9 expected a number of type u32",
            ),
            (
                "%YAML 2.0\n---\nweight: 1\n",
                "1:1 unsupported YAML major version",
            ),
            (
                "# c\n%YAML 1.2\nweight: 1\n",
                "2:1 lines that begin with `%` need a line `---` after them",
            ),
            ("weight: !ours 1\n", "1:15 unsupported tag `!ours`"),
            (
                "list:\r  - a\rweight: b\r",
                "3:9 expected a number of type u32",
            ),
            (
                "\u{feff}weight: 1\r\n\u{feff}---\r\nweight: b\r\n",
                "3:9 expected a number of type u32",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(problem(text), expected, "{text}");
        }
    }

    #[test]
    fn a_bomb_is_refused_before_it_unfolds() {
        let mut bomb = String::from("deep:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let inner = format!("*a{}", level - 1);
            let items = [inner.as_str(); 10].join(", ");
            bomb.push_str(&format!("  a{level}: &a{level} [{items}]\n"));
        }

        let refusal = "5:47 YAML document too large or too complex: limits breached: \
                       RecordedAnchorEvents { recorded_anchor_events: 10001 }";
        assert_eq!(problem(&bomb), refusal);
        let nested = format!("deep: {}", "[".repeat(10_000));
        assert_eq!(problem(&nested), "1:262 recursion limit exceeded");
    }
}
