//! What `docs/CONFIG.md` says of fields: those that a document may set, and when a change of each holds.

use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../docs/CONFIG.md");

/// The lines under a heading, up to the next of its level.
fn section(heading: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(heading).expect("the heading");
    let ends = ["\n## ", "\n# "].map(|next| rest.find(next).unwrap_or(rest.len()));
    &rest[..ends[0].min(ends[1])]
}

/// Every field of every kind that holds a value: objects are their fields, and what is refused cannot
/// be changed.
pub fn fields() -> BTreeSet<String> {
    let kinds = [
        "\n## Every kind\n",
        "\n## Service\n",
        "\n## TrafficPolicy\n",
        "\n## GRPCRoute\n",
        "\n## Mesh\n",
    ];
    let rows = kinds.into_iter().flat_map(|kind| section(kind).lines());
    let cells = rows.filter_map(|row| row.strip_prefix("| `")?.split_once("` | "));
    let values = cells.filter(|(_, rest)| !rest.starts_with("object ") && !rest.starts_with("- "));
    values.map(|(name, _)| name.to_owned()).collect()
}

/// The fields that the table of changes names, each once.
pub fn lines() -> BTreeSet<String> {
    let rows = section("\n## When a change holds\n").lines();
    let named = rows.filter_map(|row| row.strip_prefix("| `")?.split(" | ").next());
    let mut all = BTreeSet::new();
    for name in named.flat_map(|cell| cell.split('`').step_by(2)) {
        let is_new = all.insert(name.trim_matches('`').to_owned());
        assert!(is_new || name.is_empty(), "{name} has two lines");
    }
    all.remove("");
    all
}
