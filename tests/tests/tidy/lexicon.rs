//! Words of type names: each word of the name of a public type stands in `docs/LEXICON.md`.
//!
//! A word stands there when it is in the first column of a table, or in the list under
//! [`PLAIN_WORDS`]. A plural counts as its singular.

use std::collections::BTreeSet;

use crate::lexer;
use crate::tree::File;

/// The heading of the list of words that need no definition.
const PLAIN_WORDS: &str = "## Plain words of type names";

/// All words of the lexicon, in lower case.
pub fn words_of(lexicon: &str) -> BTreeSet<String> {
    let (tables, plain) = lexicon.split_once(PLAIN_WORDS).unwrap_or((lexicon, ""));
    let rows = tables.lines().filter_map(|line| line.strip_prefix("| "));
    let first_columns = rows.filter_map(|row| row.split(" |").next());
    let words = first_columns.chain([plain]).flat_map(|text| {
        text.split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
    });
    words.map(str::to_ascii_lowercase).collect()
}

/// Public types of a file whose names have a word that is not in the lexicon.
pub fn unknown_types(known: &BTreeSet<String>, file: &File) -> Vec<String> {
    let names = public_types(&file.code);
    let unknown = names.filter_map(|(at, name)| {
        let words = words_of_name(name);
        let word = words.iter().find(|word| !is_known(known, word))?;
        let line = lexer::line_of(&file.code, at);
        Some(format!(
            "{}:{line}: `{word}` of `{name}` is not in docs/LEXICON.md: use a word that is, or add it",
            file.path
        ))
    });
    unknown.collect()
}

fn is_known(known: &BTreeSet<String>, word: &str) -> bool {
    let stems = [Some(word), word.strip_suffix('s'), word.strip_suffix("es")];
    let is_ies = word.strip_suffix("ies").map(|stem| format!("{stem}y"));
    stems.into_iter().flatten().any(|stem| known.contains(stem))
        || is_ies.is_some_and(|stem| known.contains(&stem))
}

/// Names behind `pub struct`, `pub enum` and `pub trait`, with their places.
fn public_types(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let words: Vec<_> = lexer::identifiers(code).collect();
    let triples = (2..words.len()).filter_map(move |at| {
        let word = |at: usize| &code[words[at].clone()];
        let is_type = ["struct", "enum", "trait"].contains(&word(at - 1));
        (is_type && word(at - 2) == "pub").then(|| (words[at].start, word(at)))
    });
    triples.collect::<Vec<_>>().into_iter()
}

/// `XdsClientState` is `xds`, `client`, `state`.
fn words_of_name(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for (at, letter) in name.char_indices() {
        let begins = letter.is_ascii_uppercase() || at == 0;
        match words.last_mut() {
            Some(word) if !begins => word.push(letter),
            Some(_) | None => words.push(letter.to_ascii_lowercase().to_string()),
        }
    }
    words
}
