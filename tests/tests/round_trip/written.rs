//! Documents as files: each in YAML or JSON, with what YAML 1.2 allows around it.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

/// What stands before a document.
const BEFORE: [&str; 9] = [
    "",
    "---\n",
    "--- # a comment\n",
    "# a comment\n---\n",
    "\u{feff}---\n",
    "%YAML 1.2\n---\n",
    "%TAG !e! tag:example.com,2026:\n# a comment\n%YAML 1.2\n--- # another\n",
    "---\n# an empty document\n---\n",
    "--- !!map\n",
];

/// What stands after it.
const AFTER: [&str; 5] = [
    "",
    "...\n",
    "... # a comment\n",
    "\n# a comment\n\n",
    "--- ~\n",
];

#[derive(Clone, Copy, Debug)]
enum Style {
    Block,
    Json,
    JsonWithTabs,
}

type Around = (Style, &'static str, &'static str);

/// All documents in one file, or each in its own; lines end with LF, CR LF or CR; the last one may
/// have no end.
pub fn files(
    set: impl Strategy<Value = Vec<Value>>,
) -> impl Strategy<Value = Vec<(String, String)>> {
    let style = select(vec![Style::Block, Style::Json, Style::JsonWithTabs]);
    let around = (style, select(&BEFORE[..]), select(&AFTER[..]));
    let documents = set.prop_flat_map(move |set| {
        let around = vec![around.clone(); set.len()];
        (Just(set), around)
    });
    let line_end = select(vec!["\n", "\r\n", "\r"]);
    let written = (documents, any::<bool>(), line_end, any::<bool>());
    written.prop_map(|((set, around), in_one, line_end, ended)| {
        let parts = set.iter().zip(around);
        let files = match in_one {
            true => vec![parts.fold(String::new(), |file, part| add(&file, part.0, part.1))],
            false => parts.map(|part| add("", part.0, part.1)).collect(),
        };
        let finished = files.into_iter().map(|file| finish(&file, line_end, ended));
        let named = finished.enumerate();
        named
            .map(|(number, text)| (format!("{number}.yaml"), text))
            .collect()
    })
}

fn add(file: &str, document: &Value, (style, before, after): Around) -> String {
    let between = match before {
        "" => "---\n",
        // Directives stand only where the document before has ended.
        _ if before.starts_with('%') => "...\n",
        _ => "",
    };
    let between = if file.is_empty() { "" } else { between };
    let body = match style {
        Style::Block => block(0, document),
        Style::Json => format!("{document}\n"),
        Style::JsonWithTabs => format!("{document:#}\n").replace("  ", "\t"),
    };
    format!("{file}{between}{before}{body}{after}")
}

fn finish(file: &str, line_end: &str, ended: bool) -> String {
    let file = file.replace('\n', line_end);
    match file.strip_suffix(line_end) {
        Some(open) if !ended => open.to_owned(),
        Some(_) | None => file,
    }
}

/// Objects as blocks, texts of several lines as literals, the rest as JSON, which YAML is too.
fn block(depth: usize, value: &Value) -> String {
    let Value::Object(fields) = value else {
        return format!(" {value}\n");
    };
    if fields.is_empty() {
        return " {}\n".to_owned();
    }
    let indent = "  ".repeat(depth);
    let lines = fields.iter().map(|(name, value)| match value {
        Value::Object(fields) if !fields.is_empty() => {
            format!("{indent}{name}:\n{}", block(depth + 1, value))
        }
        Value::String(text) if text.ends_with('\n') => {
            let lines = text.lines().map(|line| format!("{indent}  {line}\n"));
            format!("{indent}{name}: |\n{}", lines.collect::<String>())
        }
        _ => format!("{indent}{name}:{}", block(depth, value)),
    });
    lines.collect()
}
