//! `outrider status`: the mesh as the control plane sees it.
//!
//! Knows hardly a field of the answer: a list of things becomes a table, whatever they are.

use std::collections::BTreeSet;

use comfy_table::{Table, presets};
use outrider_proto::v1;
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::{document_files, operator, output, table};

/// How to show it.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    operator: operator::Access,
    /// As the JSON that it is.
    #[arg(long)]
    json: bool,
}

/// Shows it.
pub fn run(args: &Args) -> Result<(), Failure> {
    let status = operator::run(&args.operator, async |client| {
        let mut client = document_files::roomy(client);
        Ok(client.status(v1::StatusRequest {}).await?.into_inner())
    })?;
    if args.json {
        return output::print_line(&status.json);
    }
    let status: Value = serde_json::from_str(&status.json)
        .map_err(|error| Failure::runtime("the status cannot be read", &error))?;
    output::print(&section("", &status))
}

/// The fields that name a thing, which come first.
const NAMES: [&str; 3] = ["name", "service", "namespace"];

/// What has no parts first, a line each; then what has, each under its name.
fn section(title: &str, value: &Value) -> String {
    match value {
        Value::Object(fields) => object(title, fields),
        Value::Array(items) if has_parts(value) => rows(title, items),
        value => format!("{title}: {}\n", cell(title, value)),
    }
}

fn object(title: &str, fields: &Map<String, Value>) -> String {
    let (parts, plain): (Vec<_>, Vec<_>) = fields.iter().partition(|(_, value)| has_parts(value));
    let plain = plain.iter().map(|(name, value)| section(name, value));
    let parts = parts.iter().map(|(name, value)| match title {
        "" => section(name, value),
        title => section(&format!("{title}.{name}"), value),
    });
    let plain: String = plain.collect();
    let heading = match (title, plain.as_str()) {
        ("", _) | (_, "") => String::new(),
        (title, _) => format!("{title}\n"),
    };
    let gap = if plain.is_empty() { "" } else { "\n" };
    format!("{heading}{plain}{gap}{}", parts.collect::<String>())
}

fn has_parts(value: &Value) -> bool {
    match value {
        Value::Object(_) => true,
        Value::Array(items) => items.iter().any(Value::is_object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// A row for each thing; then a table for the things within them.
fn rows(title: &str, items: &[Value]) -> String {
    let columns = columns(items);
    let (parts, plain): (Vec<&str>, Vec<&str>) = columns
        .into_iter()
        .partition(|column| items.iter().any(|item| has_parts(&item[column])));
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(plain.iter().map(|name| name.to_uppercase()));
    for item in items {
        table.add_row(plain.iter().map(|name| cell(name, &item[name])));
    }
    let parts = parts.into_iter().map(|part| within(title, items, part));
    let parts: String = parts.collect();
    format!("{title}\n{}\n\n{parts}", table.trim_fmt())
}

fn columns(items: &[Value]) -> Vec<&str> {
    let fields = items.iter().filter_map(Value::as_object);
    let names: BTreeSet<&str> = fields.flat_map(Map::keys).map(String::as_str).collect();
    let mut names: Vec<&str> = names.into_iter().collect();
    let rank = |name: &str| NAMES.iter().position(|first| *first == name);
    names.sort_by_key(|name| rank(name).unwrap_or(NAMES.len()));
    names
}

/// One table of all that is in the field `part` of the items, each with the name of its item.
fn within(title: &str, items: &[Value], part: &str) -> String {
    let mut things = Vec::new();
    for item in items {
        let name = NAMES.iter().find_map(|name| item.get(name));
        for thing in item[part].as_array().into_iter().flatten() {
            let mut row = thing.as_object().cloned().unwrap_or_default();
            row.extend(name.map(|name| ("service".to_owned(), name.clone())));
            things.push(Value::Object(row));
        }
    }
    rows(&format!("{title}.{part}"), &things)
}

/// A value on one line; a field whose name ends so is a time.
fn cell(name: &str, value: &Value) -> String {
    match (value, value.as_i64()) {
        (Value::Number(_), Some(time)) if name.ends_with("_unix") => table::time(time),
        (Value::Number(_), Some(time)) if name.ends_with("_unix_ms") => {
            table::time(time.div_euclid(1_000))
        }
        (Value::Null, _) => "-".to_owned(),
        (Value::String(text), _) => text.clone(),
        (Value::Array(items), _) => {
            let items = items.iter().map(|item| cell(name, item));
            items.collect::<Vec<_>>().join(", ")
        }
        (Value::Bool(_) | Value::Number(_) | Value::Object(_), _) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The words of each line.
    fn words(text: &str) -> Vec<Vec<&str>> {
        let lines = text.lines();
        lines
            .map(|line| line.split_whitespace().collect())
            .collect()
    }

    #[test]
    fn a_list_of_things_is_a_table_and_what_is_in_them_another() {
        let status = json!({
            "time_unix": 0,
            "documents": { "folder": null, "version": 4 },
            "services": [
                { "zone": ["a", "b"], "name": "orders", "endpoints": [ { "address": "1.1.1.1:1" } ] },
                { "stale": true, "name": "stock", "endpoints": [] },
            ],
        });
        let shown = section("", &status);
        let expected = [
            vec!["time_unix:", "1970-01-01T00:00:00Z"],
            vec![],
            vec!["documents"],
            vec!["folder:", "-"],
            vec!["version:", "4"],
            vec![],
            vec!["services"],
            vec!["NAME", "STALE", "ZONE"],
            vec!["orders", "-", "a,", "b"],
            vec!["stock", "true", "-"],
            vec![],
            vec!["services.endpoints"],
            vec!["SERVICE", "ADDRESS"],
            vec!["orders", "1.1.1.1:1"],
            vec![],
        ];
        assert_eq!(words(&shown), expected);
    }
}
