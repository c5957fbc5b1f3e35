//! What the written word promises: every link to a file of the repository leads somewhere, every
//! file that a page names exists, and the README's two commands are there.
//!
//! Knows nothing of what the words say.

use std::path::Path;

use crate::tree::File;

/// The first two things a newcomer types.
pub const COMMANDS: [&str; 2] = ["cargo run --release -- demo", "cargo test --workspace"];

/// How the names of files end that a page can point a reader at.
pub const EXTENSIONS: [&str; 5] = ["md", "proto", "rs", "sh", "toml"];

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

/// Files and folders that a Markdown file names, in backticks or in a code block, and that do not
/// exist. A name may be short, if exactly one of `paths` ends in it.
pub fn missing_paths(paths: &[String], file: &File) -> Vec<String> {
    named_paths(&file.text)
        .filter_map(|name| {
            let full = name.trim_end_matches('/');
            let is_full = paths.iter().any(|path| path == full);
            let ending = format!("/{full}");
            let found = paths.iter().filter(|path| path.ends_with(&ending)).count();
            (!is_full && found != 1).then(|| {
                let path = &file.path;
                format!("{path}: `{name}` is the end of {found} paths, not of one")
            })
        })
        .collect()
}

/// What looks like a path of this repository.
fn named_paths(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines()
        .flat_map(move |line| {
            fenced ^= line.trim_start().starts_with("```");
            match fenced {
                true => line.split([' ', ',']).collect::<Vec<_>>(),
                false => line.split('`').skip(1).step_by(2).collect(),
            }
        })
        .filter(|word| is_path(word))
}

fn is_path(word: &str) -> bool {
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"_-./".contains(&octet);
    let last = word.trim_end_matches('/').rsplit('/').next().unwrap_or("");
    let is_known = match last.rsplit_once('.') {
        Some((stem, extension)) => !stem.is_empty() && EXTENSIONS.contains(&extension),
        None => word.contains('/'),
    };
    let is_name = word.bytes().any(|octet| octet.is_ascii_lowercase());
    is_known && is_name && !word.starts_with('/') && word.bytes().all(is_plain)
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
