//! How the calls of a case ended, in a form in which two ways can be compared.
//!
//! Decides what counts as the same: everything that the application sees of a call, less what the
//! case allows to differ, and less the text of a status that no application wrote.

use std::collections::BTreeMap;

use serde_json::Value;

use super::case::{Allowance, Case, Part};

/// How calls ended, and for people one text of a status of each such end.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// Calls that ended alike, by how; of all parts, in their order.
    ends: Vec<BTreeMap<String, u64>>,
    words: BTreeMap<String, String>,
}

/// Words are for people.
impl PartialEq for Outcome {
    fn eq(&self, other: &Outcome) -> bool {
        self.ends == other.ends
    }
}

impl Outcome {
    /// What a client program says of `case`, in normal form.
    ///
    /// # Errors
    /// What is not as the programs say it.
    pub(crate) fn of(case: &Case, line: &str) -> Result<Outcome, String> {
        let said: Value = serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
        let parts = said["parts"].as_array().map_or(&[][..], Vec::as_slice);
        if said["name"] != case.name.as_str() || parts.len() != case.parts.len() {
            return Err(format!("this is not about {:?}: {line}", case.name));
        }
        let mut outcome = Outcome {
            ends: Vec::new(),
            words: BTreeMap::new(),
        };
        for (part, said) in case.parts.iter().zip(parts) {
            outcome.take(case, part, said);
        }
        Ok(outcome)
    }

    /// What a client program says of one part.
    fn take(&mut self, case: &Case, part: &Part, said: &Value) {
        let mut ends = BTreeMap::new();
        for alike in said.as_array().into_iter().flatten() {
            let end = end(case, part, &alike["outcome"]);
            *ends.entry(end.clone()).or_default() += alike["count"].as_u64().unwrap_or(0);
            let words = &alike["outcome"]["details"];
            let words = words.as_str().unwrap_or_default().to_owned();
            self.words.insert(end, words);
        }
        self.ends.push(ends);
    }

    /// That `case` ended as it must without the mesh; else what did not.
    pub(crate) fn complaint(&self, case: &Case) -> Option<String> {
        let mut both = case.parts.iter().zip(&self.ends);
        both.find_map(|(part, ends)| {
            let counted: u64 = ends.values().sum();
            let mut seen: Vec<&str> = ends.keys().map(|end| code(end)).collect();
            seen.dedup();
            let wanted = part.codes();
            let is_whole = wanted.iter().all(|code| seen.contains(code));
            let is_good = is_whole && seen.iter().all(|code| wanted.contains(code));
            (!is_good || counted != part.calls as u64)
                .then(|| format!("{} calls should end with {wanted:?}: {ends:?}", part.calls))
        })
    }

    /// The same for people: a line an end.
    pub(crate) fn lines(&self) -> String {
        let ends = self.ends.iter().flatten();
        let lines = ends.map(|(end, count)| {
            let words = &self.words[end];
            format!("\n      {count} x {end}; it was said: {words:?}")
        });
        lines.collect()
    }
}

/// An end begins with its code.
fn code(end: &str) -> &str {
    end.split(';').next().unwrap_or(end)
}

/// One end on a line, without what does not count.
fn end(case: &Case, part: &Part, outcome: &Value) -> String {
    let trims = case.allowed.contains(&Allowance::SpaceAtTheEnds);
    let text = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        match trims {
            true => text.trim().to_owned(),
            false => text.to_owned(),
        }
    };
    let fields = |name: &str| -> Vec<(String, String)> {
        let fields = outcome[name].as_array().into_iter().flatten();
        fields
            .map(|field| (text(&field[0]), text(&field[1])))
            .collect()
    };
    let runs = outcome["messages"].as_array().into_iter().flatten();
    // A server that tells of metadata sends it as JSON.
    let message = |value: &Value| match serde_json::from_str(&text(value)) {
        Ok(told) if trims => trimmed(told).to_string(),
        Ok(_) | Err(_) => text(value),
    };
    let messages: Vec<String> = runs
        .map(|run| format!("{} x {:?}", run["count"], message(&run["message"])))
        .collect();
    let mut end = text(&outcome["code"]);
    if end == "CANCELLED" && case.allowed.contains(&Allowance::CancelledForLate) {
        end = "DEADLINE_EXCEEDED".to_owned();
    }
    if part.status() == Some(&end) {
        end += &format!("; {:?}", text(&outcome["details"]));
    }
    for (name, fields) in [
        ("initial", fields("initial")),
        ("trailing", fields("trailing")),
    ] {
        if !fields.is_empty() {
            end += &format!("; {name} {fields:?}");
        }
    }
    if !messages.is_empty() {
        end += &format!("; messages {}", messages.join(", "));
    }
    end
}

/// The same without white space at the ends of its texts.
fn trimmed(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.trim().to_owned()),
        Value::Array(values) => values.into_iter().map(trimmed).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::step::{send, status};

    fn said(ends: &str) -> String {
        format!("{{\"name\": \"a case\", \"parts\": [[{ends}]]}}")
    }

    fn alike(count: u64, outcome: &str) -> String {
        format!("{{\"count\": {count}, \"outcome\": {outcome}}}")
    }

    const NOT_FOUND: &str = r#"{"code": "NOT_FOUND", "details": "none ", "initial": null,
        "messages": [], "trailing": [["t-note", "ends "]]}"#;

    #[test]
    fn what_a_case_allows_is_no_difference_and_all_else_is() {
        let case = Case::new("a case", [Part::unary([status(5, "none ")])]);
        let end = |case: &Case, outcome: &str| {
            let outcome = Outcome::of(case, &said(&alike(1, outcome)));
            outcome.expect("it is as the programs say it")
        };
        let stripped = NOT_FOUND.replace("none ", "none").replace("ends ", "ends");

        assert_ne!(end(&case, NOT_FOUND), end(&case, &stripped));
        let lenient = case.clone().allow(Allowance::SpaceAtTheEnds);
        assert_eq!(end(&lenient, NOT_FOUND), end(&lenient, &stripped));
        assert_eq!(end(&case, NOT_FOUND).complaint(&case), None);
        for other in ["OK", "INTERNAL"] {
            let other = NOT_FOUND.replace("NOT_FOUND", other);
            assert!(end(&case, &other).complaint(&case).is_some(), "{other}");
        }
    }

    #[test]
    fn words_that_no_application_wrote_do_not_count() {
        let case = Case::new("a case", [Part::unary([send("x")]).ends(&["UNAVAILABLE"])]);
        let end = |words: &str| {
            let outcome = format!("{{\"code\": \"UNAVAILABLE\", \"details\": \"{words}\"}}");
            Outcome::of(&case, &said(&alike(1, &outcome)))
        };
        assert_eq!(end("a"), end("b"));
    }

    #[test]
    fn calls_that_are_missing_are_missed() {
        let case = Case::new("a case", [Part::unary([send("x")]).calls(3)]);
        let ends = [alike(2, "{\"code\": \"OK\"}"), String::new()].join("");
        let outcome = Outcome::of(&case, &said(&ends)).expect("it is as the programs say it");
        assert!(outcome.complaint(&case).is_some());
        assert!(Outcome::of(&case, "{}").is_err(), "about another case");
    }
}
