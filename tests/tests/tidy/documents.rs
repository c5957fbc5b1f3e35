//! What the written word promises: every link to a file of the repository leads somewhere, and
//! the README's two commands are there.
//!
//! Knows nothing of what the words say.

use std::path::Path;

use crate::tree::File;

/// The first two things a newcomer types.
pub const COMMANDS: [&str; 2] = ["cargo run --release -- demo", "cargo test --workspace"];

/// Commands that the README does not show on a line of their own.
pub fn missing_commands(readme: &str) -> Vec<String> {
    COMMANDS
        .iter()
        .filter(|command| !readme.lines().any(|line| line.trim() == **command))
        .map(|command| format!("README.md: no line `{command}`"))
        .collect()
}

/// Links of a Markdown file to files that do not exist.
pub fn broken_links(root: &Path, file: &File) -> Vec<String> {
    let folder = root.join(&file.path);
    let folder = folder.parent().unwrap_or(root);
    links(&file.text)
        .filter(|link| is_local(link))
        .filter(|link| {
            let path = link.split('#').next().unwrap_or(link);
            !path.is_empty() && !folder.join(path).exists()
        })
        .map(|link| format!("{}: the link `{link}` leads nowhere", file.path))
        .collect()
}

/// The targets of `[words](target)`, code blocks left out.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines()
        .filter(move |line| {
            fenced ^= line.trim_start().starts_with("```");
            !fenced
        })
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split([')', ' ']).next())
}

fn is_local(link: &str) -> bool {
    !link.contains("://") && !link.starts_with("mailto:")
}
