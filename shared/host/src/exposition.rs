//! `/metrics` in the format that the reader asks for: Prometheus text 0.0.4, or OpenMetrics 1.0.
//!
//! Metrics are encoded as OpenMetrics, which says more; the older text is made from that. OpenMetrics
//! goes to those who name it in `Accept` and like it at least as well, as Prometheus' own libraries
//! do it; all others, among them people with a browser or curl, get the text that every reader knows.

use std::collections::BTreeSet;
use std::fmt::Write;

use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

/// OpenMetrics 1.0, section "Content type".
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Prometheus, "Exposition formats", basic info.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Most media ranges of an `Accept` that count. 64; Prometheus sends six.
const RANGES_MAX: usize = 64;

/// Answers a request that came with `headers`; `open_metrics` is the whole text, `# EOF` included.
pub fn metrics_response(headers: &HeaderMap, open_metrics: String) -> Response {
    let (content_type, body) = match asked_for(headers) {
        Format::OpenMetrics => (OPEN_METRICS, open_metrics),
        Format::Text => (TEXT, as_text(&open_metrics)),
    };
    let varies = (header::VARY, "accept");
    ([(header::CONTENT_TYPE, content_type), varies], body).into_response()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    OpenMetrics,
    Text,
}

/// What `Accept` says of one format: how specific the range is that matches it best, and its weight.
/// Ordered: the more specific range counts (RFC 9110 12.5.1).
type Wish = (Specific, u16);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Specific {
    Nothing,
    Anything,
    Type,
    Subtype,
    Version,
}

fn asked_for(headers: &HeaderMap) -> Format {
    let mut wishes: [Wish; 2] = [(Specific::Nothing, 0); 2];
    let fields = headers.get_all(header::ACCEPT).iter();
    let fields = fields.filter_map(|field| field.to_str().ok());
    for range in fields.flat_map(|field| field.split(',')).take(RANGES_MAX) {
        let formats = [
            ("application", "openmetrics-text", "1.0.0"),
            ("text", "plain", "0.0.4"),
        ];
        for (wish, format) in wishes.iter_mut().zip(formats) {
            *wish = (*wish).max(wish_for(range, format));
        }
    }
    let [(named, open_metrics), (_, text)] = wishes;
    let is_named = named >= Specific::Subtype;
    if open_metrics > text || is_named && open_metrics > 0 && open_metrics == text {
        Format::OpenMetrics
    } else {
        Format::Text
    }
}

/// What one media range says of the format (type, subtype, version).
fn wish_for(range: &str, (kind, subtype, version): (&str, &str, &str)) -> Wish {
    let mut parts = range.split(';').map(str::trim);
    let wanted = parts.next().and_then(|range| range.split_once('/'));
    let mut specific = match wanted {
        Some(("*", "*")) => Specific::Anything,
        Some((first, "*")) if first.eq_ignore_ascii_case(kind) => Specific::Type,
        Some((first, second))
            if first.eq_ignore_ascii_case(kind) && second.eq_ignore_ascii_case(subtype) =>
        {
            Specific::Subtype
        }
        Some(_) | None => return (Specific::Nothing, 0),
    };
    let mut weight = 1_000;
    for (name, value) in parts.filter_map(|parameter| parameter.split_once('=')) {
        let value = value.trim_matches('"');
        match name.to_ascii_lowercase().as_str() {
            "q" => weight = per_mille(value),
            "version" if value == version => specific = Specific::Version,
            "version" => return (Specific::Nothing, 0),
            // What a charset or an escaping changes, our texts do not use.
            _ => {}
        }
    }
    (specific, weight)
}

/// A weight between 0 and 1 (RFC 9110 12.4.2); one that is none counts as 0.
fn per_mille(weight: &str) -> u16 {
    let weight = weight.parse::<f32>().unwrap_or(0.0);
    // A cast of what is out of range or not a number saturates.
    (weight.clamp(0.0, 1.0) * 1_000.0).round() as u16
}

/// Text 0.0.4 has no units and no end, and says of a counter what it calls its samples.
fn as_text(open_metrics: &str) -> String {
    let kinds = open_metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split_once(' '));
    let counters: BTreeSet<&str> = kinds
        .filter(|(_, kind)| *kind == "counter")
        .map(|(name, _)| name)
        .collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        // To write to a `String` cannot fail.
        let _ = match words.as_slice() {
            ["#", "EOF"] | ["#", "UNIT", ..] => Ok(()),
            ["#", about @ ("HELP" | "TYPE"), name, rest] if counters.contains(name) => {
                writeln!(text, "# {about} {name}_total {rest}")
            }
            ["#", "TYPE", name, "unknown"] => writeln!(text, "# TYPE {name} untyped"),
            _ => writeln!(text, "{line}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    /// What Prometheus 3 sends.
    const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
         application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;\
         escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

    #[test]
    fn the_reader_says_which_format() {
        use Format::{OpenMetrics, Text};
        #[rustfmt::skip] // A table: one case a line.
        let cases: [(&str, &[&str], Format); 18] = [
            ("a reader that says nothing", &[], Text),
            ("an empty field", &[""], Text),
            ("Prometheus", &[PROMETHEUS], OpenMetrics),
            ("curl", &["*/*"], Text),
            ("a browser", &["text/html,application/xml;q=0.9,*/*;q=0.8"], Text),
            ("text alone", &["text/plain;version=0.0.4"], Text),
            ("OpenMetrics alone", &["application/openmetrics-text"], OpenMetrics),
            ("both alike", &["text/plain, application/openmetrics-text"], OpenMetrics),
            ("text is liked better", &["application/openmetrics-text;q=0.5, text/plain"], Text),
            ("anything but OpenMetrics", &["application/openmetrics-text;q=0, */*"], Text),
            ("anything, text least", &["*/*, text/plain;q=0.1"], OpenMetrics),
            ("a whole type", &["application/*"], OpenMetrics),
            ("two fields", &["text/plain;q=0.1", "application/openmetrics-text"], OpenMetrics),
            ("another version", &["application/openmetrics-text;version=2.0.0, text/plain;q=0.1"], Text),
            ("upper case, spaces, quotes", &["Application/OpenMetrics-Text ; Version=\"1.0.0\" ; Q=1"], OpenMetrics),
            ("a weight that is none", &["application/openmetrics-text;q=x"], Text),
            ("protobuf first", &["application/vnd.google.protobuf;encoding=delimited, application/openmetrics-text;q=0.5, text/plain;q=0.3"], OpenMetrics),
            ("neither", &["application/json"], Text),
        ];
        for (reader, fields, expected) in cases {
            let mut headers = HeaderMap::new();
            for field in fields {
                let value = HeaderValue::from_str(field).expect("a field value");
                headers.append(header::ACCEPT, value);
            }
            assert_eq!(asked_for(&headers), expected, "{reader}");
        }
    }

    #[test]
    fn text_names_a_counter_as_its_samples_and_has_no_unit_and_no_end() {
        let open_metrics = "# HELP a_calls Calls.\n# TYPE a_calls counter\na_calls_total{x=\"# UNIT\"} 1\n\
             # HELP a_age_seconds Age.\n# TYPE a_age_seconds gauge\n# UNIT a_age_seconds seconds\n\
             a_age_seconds 2.5\n# HELP a_odd Odd.\n# TYPE a_odd unknown\na_odd 1\n# EOF\n";
        let text = "# HELP a_calls_total Calls.\n# TYPE a_calls_total counter\na_calls_total{x=\"# UNIT\"} 1\n\
             # HELP a_age_seconds Age.\n# TYPE a_age_seconds gauge\na_age_seconds 2.5\n\
             # HELP a_odd Odd.\n# TYPE a_odd untyped\na_odd 1\n";
        assert_eq!(as_text(open_metrics), text);
    }
}
