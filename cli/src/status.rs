//! `outrider status`: the mesh as the control plane sees it.
//!
//! Knows no field of the answer: a list of things becomes a table, whatever they are.

use comfy_table::{Table, presets};
use outrider_proto::v1;
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::{document_files, operator};

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
        println!("{}", status.json);
        return Ok(());
    }
    let status: Value = serde_json::from_str(&status.json)
        .map_err(|error| Failure::runtime("the status cannot be read", &error))?;
    print!("{}", section("", &status));
    Ok(())
}

/// What has no parts first, a line each; then what has, each under its name.
fn section(title: &str, value: &Value) -> String {
    match value {
        Value::Object(fields) => object(title, fields),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            format!("{title}\n{}\n\n", table(items))
        }
        value => format!("{title}: {}\n", cell(value)),
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

fn table(items: &[Value]) -> String {
    let mut columns: Vec<&String> = Vec::new();
    for name in items
        .iter()
        .filter_map(Value::as_object)
        .flat_map(Map::keys)
    {
        if !columns.contains(&name) {
            columns.push(name);
        }
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(columns.iter().map(|name| name.to_uppercase()));
    for item in items {
        table.add_row(columns.iter().map(|name| cell(&item[name.as_str()])));
    }
    table.trim_fmt()
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_of_things_is_a_table() {
        let status = json!({
            "version": 3,
            "documents": { "folder": null, "version": 4 },
            "services": [
                { "name": "orders", "endpoints": ["a", "b"] },
                { "name": "stock", "endpoints": [], "stale": true },
            ],
        });
        let shown = section("", &status);
        let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
        assert_eq!(
            lines[..5],
            ["version: 3", "", "documents", "folder: -", "version: 4"]
        );
        let words = |line: &str| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(lines[6], "services");
        assert_eq!(words(lines[7]), ["ENDPOINTS", "NAME", "STALE"]);
        assert_eq!(words(lines[8]), ["a,", "b", "orders", "-"]);
        assert_eq!(words(lines[9]), ["stock", "true"]);
    }
}
