//! The shape of a file: documented at its top, short, without left-overs.
//!
//! The limits are `docs/STYLE.md`'s; what may break one is listed here with its reason.

use crate::lexer;
use crate::tree::File;

/// Lines at which a file must have been listed below.
pub const FILE_LINES_MAX: usize = 400;
/// Lines no function may exceed.
pub const FUNCTION_LINES_MAX: usize = 70;

/// Files over [`FILE_LINES_MAX`], each with the reason why it is one idea all the same.
pub const LONG_FILES: &[(&str, &str)] = &[];

/// Functions over [`FUNCTION_LINES_MAX`], by file and name, each with the reason.
pub const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[(
    "sidecar/http2/src/hpack/static_table.rs",
    "known",
    "one match, a line per entry of RFC 7541's static table",
)];

/// A file that is over the limit and not listed, or listed and not over it.
pub fn file_length(file: &File) -> Option<String> {
    let lines = file.text.lines().count();
    let listed = LONG_FILES.iter().any(|(path, _)| *path == file.path);
    match (lines > FILE_LINES_MAX, listed) {
        (true, false) => Some(format!(
            "{}: {lines} lines; over {FILE_LINES_MAX} ask which second idea moved in, split it, \
             or list it with its reason in tests/tests/tidy/shape.rs",
            file.path
        )),
        (false, true) => Some(format!(
            "{}: {lines} lines; no longer long, take it off the list in tests/tests/tidy/shape.rs",
            file.path
        )),
        (true, true) | (false, false) => None,
    }
}

/// Functions over [`FUNCTION_LINES_MAX`].
pub fn long_functions(file: &File) -> Vec<String> {
    lexer::functions(&file.code)
        .iter()
        .filter(|function| function.lines > FUNCTION_LINES_MAX)
        .filter(|function| {
            !LONG_FUNCTIONS
                .iter()
                .any(|(path, name, _)| file.path == *path && function.name == *name)
        })
        .map(|function| {
            format!(
                "{}:{}: `{}` has {} lines; {FUNCTION_LINES_MAX} is the end",
                file.path, function.line, function.name, function.lines
            )
        })
        .collect()
}

/// A file that does not open with what it decides.
pub fn module_docs(file: &File) -> Option<String> {
    let first = file.text.lines().find(|line| !line.trim().is_empty());
    let words = first
        .and_then(|line| line.strip_prefix("//!"))
        .map_or(0, |line| line.split_whitespace().count());
    (words < 3).then(|| {
        format!(
            "{}: open the file with `//!` and a sentence on what it decides",
            file.path
        )
    })
}

/// What may never be committed, with what to do instead.
const LEFT_OVERS: &[(&str, &str)] = &[
    ("todo!", "finish it or leave it out"),
    ("unimplemented!", "finish it or leave it out"),
    ("dbg!", "take it out"),
    ("#[ignore", "assert today's behaviour with a note instead"),
    ("thread::sleep", "wait for the thing, not for time to pass"),
];

/// Left-overs in the code.
pub fn left_overs(file: &File) -> Vec<String> {
    LEFT_OVERS
        .iter()
        .filter_map(|(word, instead)| {
            let at = file.code.find(word)?;
            let line = lexer::line_of(&file.code, at);
            Some(format!("{}:{line}: `{word}`: {instead}", file.path))
        })
        .collect()
}

/// Lints switched off without a reason.
pub fn silent_allowances(file: &File) -> Vec<String> {
    ["#[allow(", "#![allow("]
        .iter()
        .flat_map(|word| file.code.match_indices(word))
        .filter(|(at, _)| {
            let attribute = file.code[*at..].split(']').next().unwrap_or_default();
            !attribute.contains("reason =")
        })
        .map(|(at, _)| {
            format!(
                "{}:{}: say why: `#[expect(.., reason = \"..\")]` (`allow` for generated code)",
                file.path,
                lexer::line_of(&file.code, at)
            )
        })
        .collect()
}

/// Beginnings of names that say nothing.
const EMPTY_VERBS: [&str; 4] = ["get_", "do_", "handle_", "process_"];
/// Functions that begin so all the same, each with the reason.
const FOREIGN_NAMES: &[(&str, &str)] = &[(
    "get_bundle",
    "the generated trait's name of the RPC GetBundle, which is gRPC's way to name one",
)];
/// Parts of file names that say nothing.
const EMPTY_NOUNS: [&str; 4] = ["manager", "helper", "util", "common"];

/// Names that say nothing.
pub fn empty_names(file: &File) -> Vec<String> {
    let functions = lexer::functions(&file.code);
    let verbs = functions
        .iter()
        .filter(|function| {
            EMPTY_VERBS
                .iter()
                .any(|verb| function.name.starts_with(verb))
        })
        .filter(|function| FOREIGN_NAMES.iter().all(|(name, _)| *name != function.name))
        .map(|function| {
            format!(
                "{}:{}: `{}`: name what it does (docs/STYLE.md, names)",
                file.path, function.line, function.name
            )
        });
    let nouns = EMPTY_NOUNS
        .iter()
        .filter(|noun| file.path.contains(*noun))
        .map(|noun| format!("{}: `{noun}` in a file's name says nothing", file.path));
    verbs.chain(nouns).collect()
}

/// Ways to panic that a peer or a configuration must never reach; tests may use them.
const PANICS: [&str; 5] = [
    ".unwrap()",
    ".expect(",
    "panic!(",
    "unreachable!(",
    ".unwrap_err()",
];

/// Panics in the code that bytes of a peer pass through, tests left out.
pub fn panics(file: &File) -> Vec<String> {
    let code = lexer::without_test_modules(&file.code);
    PANICS
        .iter()
        .filter_map(|word| {
            let at = code.find(word)?;
            let line = lexer::line_of(&code, at);
            Some(format!(
                "{}:{line}: `{word}` on the data path: make the case a value",
                file.path
            ))
        })
        .collect()
}
