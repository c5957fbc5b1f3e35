//! The repository keeps its own rules: who may depend on whom, how files read, what the documents
//! promise.
//!
//! Reads the tree as text; needs no network, no tool and no order of tests. The dependency table is
//! data in `tidy/layers.rs`, the limits of style are in `tidy/shape.rs`. Each rule is also shown
//! text that breaks it, so that a rule that went blind fails too.

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/lexer.rs"]
mod lexer;
#[path = "tidy/lexicon.rs"]
mod lexicon;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/tree.rs"]
mod tree;

use layers::PARTS;
use tree::File;

/// Fails with one line per violation.
fn check(rule: &str, violations: impl IntoIterator<Item = String>) {
    let violations: Vec<_> = violations.into_iter().collect();
    assert!(
        violations.is_empty(),
        "\n{rule}\n  {}\n",
        violations.join("\n  ")
    );
}

fn manifests() -> Vec<File> {
    let mut files = tree::files(&["toml"]);
    files
        .retain(|file| file.path.ends_with("/Cargo.toml") && !file.path.starts_with("tests/fuzz/"));
    files
}

fn sources_of(folder: &str) -> Vec<File> {
    let inside = format!("{folder}/src/");
    let mut files = tree::sources();
    files.retain(|file| file.path.starts_with(&inside));
    assert!(!files.is_empty(), "{folder} has no source");
    files
}

fn part(folder: &str) -> &'static layers::Part {
    let part = PARTS.iter().find(|part| part.folder == folder);
    part.unwrap_or_else(|| panic!("{folder} is not in the table"))
}

#[test]
fn a_part_depends_only_on_what_it_may_know() {
    let manifests = manifests();
    check(
        "a part knows only what the table lets it know",
        PARTS.iter().flat_map(|part| {
            let path = format!("{}/Cargo.toml", part.folder);
            let manifest = manifests.iter().find(|file| file.path == path);
            let manifest = manifest.unwrap_or_else(|| panic!("{path} is missing"));
            layers::foreign_dependencies(part, &manifest.text)
        }),
    );
}

#[test]
fn a_part_names_only_what_it_may_know() {
    check(
        "no clocks, sockets, locks or random hashers where values are enough",
        PARTS.iter().flat_map(|part| {
            let files = sources_of(part.folder);
            files
                .iter()
                .flat_map(|file| layers::banned_words(part, file))
                .collect::<Vec<_>>()
        }),
    );
}

#[test]
fn every_crate_is_in_the_table_or_is_a_leaf() {
    let leaves = ["bench", "tests", "tests/fuzzing", "xtask"];
    let known =
        |folder: &str| leaves.contains(&folder) || PARTS.iter().any(|part| part.folder == folder);
    check(
        "a new crate gets a line in tests/tests/tidy/layers.rs",
        manifests().iter().filter_map(|file| {
            let folder = file.path.trim_end_matches("/Cargo.toml");
            (!known(folder)).then(|| format!("{folder} is not in the table"))
        }),
    );
}

#[test]
fn the_clock_is_read_in_one_file() {
    let parts = [
        "sidecar/http2",
        "shared/policy",
        "sidecar/engine",
        "sidecar/daemon",
    ];
    let files = parts.map(sources_of);
    check(
        "time is an argument",
        files
            .iter()
            .flatten()
            .filter(|file| file.path != layers::CLOCK)
            .flat_map(layers::clock_reads),
    );
}

#[test]
fn unsafe_code_is_forbidden_in_every_crate_but_one() {
    let workspace = std::fs::read_to_string(tree::root().join("Cargo.toml")).unwrap_or_default();
    let forbids = workspace
        .lines()
        .any(|line| line == "unsafe_code = \"forbid\"");
    assert!(forbids, "Cargo.toml: [workspace.lints.rust] must forbid it");
    check(
        "every crate inherits the workspace's lints",
        manifests()
            .iter()
            // Exists for one call; says itself why.
            .filter(|file| file.path != "shared/allocator/Cargo.toml")
            .filter(|file| !file.text.contains("[lints]\nworkspace = true"))
            .map(|file| format!("{}: add `[lints]` with `workspace = true`", file.path)),
    );
}

#[test]
fn every_file_opens_with_what_it_decides() {
    check(
        "a file is read from its top",
        tree::sources().iter().filter_map(shape::module_docs),
    );
}

#[test]
fn files_are_one_idea_long() {
    check(
        "files stay short",
        tree::sources().iter().filter_map(shape::file_length),
    );
}

#[test]
fn functions_fit_a_screen() {
    check(
        "functions stay short",
        tree::sources().iter().flat_map(shape::long_functions),
    );
}

#[test]
fn nothing_is_left_over() {
    check(
        "what is committed is finished",
        tree::sources().iter().flat_map(shape::left_overs),
    );
}

#[test]
fn a_lint_is_switched_off_with_a_reason() {
    check(
        "a rule is broken in one place, with its reason beside it",
        tree::sources().iter().flat_map(shape::silent_allowances),
    );
}

#[test]
fn names_say_something() {
    check(
        "names are the field's words",
        tree::sources().iter().flat_map(shape::empty_names),
    );
}

#[test]
fn the_data_path_has_no_word_for_panic() {
    let files = ["sidecar/http2", "shared/policy", "sidecar/engine"].map(sources_of);
    check(
        "a peer cannot make us panic",
        files
            .into_iter()
            .flat_map(tree::without_tests)
            .flat_map(|file| shape::panics(&file)),
    );
}

#[test]
fn generated_code_says_so_and_only_it_does() {
    const MARK: &str = "// This file is @generated by prost-build.";
    check(
        "generated code lies in src/gen, is never edited, and `cargo run -p xtask -- codegen` \
         makes it (xtask's own test compares)",
        tree::files(&["rs"])
            .iter()
            .filter(|file| file.text.starts_with(MARK) != file.is_generated())
            .map(|file| file.path.clone()),
    );
}

#[test]
fn the_readme_shows_the_two_commands() {
    let readme = std::fs::read_to_string(tree::root().join("README.md")).unwrap_or_default();
    check(
        "a newcomer types two commands",
        documents::missing_commands(&readme),
    );
}

#[test]
fn every_link_leads_to_a_file() {
    let root = tree::root();
    check(
        "documents do not point at what is gone",
        tree::files(&["md"])
            .iter()
            .flat_map(|file| documents::broken_links(&root, file)),
    );
}

#[test]
fn every_file_that_a_map_of_the_code_names_exists() {
    let maps = ["docs/ARCHITECTURE.md", "docs/LIFE_OF_A_CALL.md"];
    let paths = tree::paths(&documents::EXTENSIONS);
    let mut files = tree::files(&["md"]);
    files.retain(|file| maps.contains(&file.path.as_str()));
    assert_eq!(files.len(), maps.len(), "a map is gone");
    check(
        "a reader finds what is named",
        files
            .iter()
            .flat_map(|file| documents::missing_paths(&paths, file)),
    );
}

#[test]
fn every_public_type_has_its_words_in_the_lexicon() {
    let text = std::fs::read_to_string(tree::root().join("docs/LEXICON.md")).unwrap_or_default();
    let known = lexicon::words_of(&text);
    let mut files = tree::without_tests(tree::sources());
    let is_part = |file: &File| {
        let mut folders = PARTS.iter().map(|part| format!("{}/src/", part.folder));
        folders.any(|folder| file.path.starts_with(&folder))
    };
    files.retain(|file| is_part(file) && !file.is_generated());
    check(
        "one word for one thing, and it is written down",
        files
            .iter()
            .flat_map(|file| lexicon::unknown_types(&known, file)),
    );
}

// The rules themselves, each shown what it must refuse and what it must let pass.

#[test]
fn a_foreign_dependency_is_seen_in_every_spelling() {
    let http2 = part("sidecar/http2");
    let names = |manifest: &str| layers::foreign_dependencies(http2, manifest).len();
    assert_eq!(names("[dependencies]\ntokio.workspace = true\n"), 1);
    assert_eq!(names("[dependencies]\nbytes = \"1\"\n"), 1);
    assert_eq!(names("[dependencies.bytes]\nversion = \"1\"\n"), 1);
    assert_eq!(names("[target.'cfg(unix)'.dependencies]\nnix = \"1\"\n"), 1);
    assert_eq!(names("[build-dependencies]\ncc = \"1\"\n"), 1);
    assert_eq!(names("[dev-dependencies]\nh2 = \"1\"\n"), 0);
    assert_eq!(
        names("[dependencies]\n# a reason\n\n[features]\nx = []\n"),
        0
    );
    let engine = part("sidecar/engine");
    let manifest = "[dependencies]\noutrider-daemon.workspace = true\nslab = \"1\"\n";
    assert_eq!(layers::foreign_dependencies(engine, manifest).len(), 1);
}

#[test]
fn a_banned_word_counts_in_code_only() {
    let count = |text: &str| {
        let file = File::new("sidecar/engine/src/a.rs", text);
        layers::banned_words(part("sidecar/engine"), &file).len()
    };
    assert_eq!(count("use std::time::Instant;"), 1);
    assert_eq!(count("use std::{sync::Mutex, time::SystemTime};"), 3);
    assert_eq!(count("let x: FxHashMap<u8, u8>; // a HashMap"), 0);
    assert_eq!(count("let x = \"std::fs\"; /* tokio /* Mutex */ */"), 0);
    assert_eq!(
        count("let x = r#\"a \" Mutex\"#; let c = '\"'; f(\"\\\"\");"),
        0
    );
    assert_eq!(
        count("fn f<'a>(x: &'a u8) { let c = 'a'; RwLock::new(x) }"),
        1
    );
    assert_eq!(count("fn f<'a>(&'a self) { f('é'); RwLock::new(self) }"), 1);
}

#[test]
fn a_function_is_measured_from_fn_to_brace() {
    let body = "    let x = \"}\"; // }\n".repeat(69);
    let text = format!("//! A b c d.\npub fn long(a: [u8; 2]) -> u8 {{\n{body}}}\nfn f();\n");
    let found = shape::long_functions(&File::new("a.rs", &text));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("a.rs:2: `long` has 71 lines"),
        "{found:?}"
    );
    let shorter = text.replacen("    let x = \"}\"; // }\n", "", 1);
    assert!(shape::long_functions(&File::new("a.rs", &shorter)).is_empty());
}

#[test]
fn each_rule_of_shape_refuses_what_breaks_it() {
    let file = |text: &str| File::new("a/src/b.rs", text);
    assert!(shape::module_docs(&file("use a;\n")).is_some());
    assert!(shape::module_docs(&file("\n//! Decides a thing.\n")).is_none());
    assert!(shape::file_length(&file(&"\n".repeat(401))).is_some());
    assert!(shape::file_length(&file(&"\n".repeat(400))).is_none());
    assert_eq!(
        shape::left_overs(&file("fn a() { todo!() }\n// dbg!")).len(),
        1
    );
    assert_eq!(
        shape::left_overs(&file("#[ignore = \"x\"]\nfn a() {}")).len(),
        1
    );
    assert_eq!(
        shape::silent_allowances(&file("#[allow(dead_code)]\nfn a() {}")).len(),
        1
    );
    assert!(shape::silent_allowances(&file("#[allow(a, reason = \"b\")]")).is_empty());
    assert_eq!(
        shape::empty_names(&file("fn get_x() {}\nfn getter() {}")).len(),
        1
    );
    assert_eq!(shape::empty_names(&File::new("a/helpers.rs", "")).len(), 1);
    assert_eq!(shape::panics(&file("fn a() { b.unwrap() }")).len(), 1);
    let tested = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { c.unwrap() } }\n";
    assert!(shape::panics(&file(tested)).is_empty());
    let files = ["a/mod.rs", "a/b.rs", "a/c/d.rs", "a/e.rs"];
    let text = "mod b;\n#[cfg(test)]\nmod c;\n#[cfg(test)]\nmod e;\n";
    let files = files.map(|path| File::new(path, text)).into_iter();
    let left = tree::without_tests(files.collect());
    let left: Vec<_> = left.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(left, ["a/mod.rs", "a/b.rs"]);
    let after = format!("{tested}fn d() {{ panic!(\"e\") }}");
    assert_eq!(shape::panics(&file(&after)).len(), 1);
}

#[test]
fn a_type_name_with_an_unknown_word_is_seen() {
    let text =
        "| word | means |\n| pick, retry budget | x |\n\n## Plain words of type names\n\nid, key";
    let known = lexicon::words_of(text);
    let unknown = |code: &str| lexicon::unknown_types(&known, &File::new("a.rs", code)).len();
    assert_eq!(unknown("pub struct PickId; pub enum RetryBudgets {}"), 0);
    assert_eq!(unknown("pub struct Stake; pub trait KeyShelf {}"), 2);
    assert_eq!(unknown("struct Stake; pub(crate) enum Shelf {}"), 0);
}

#[test]
fn a_link_that_leads_nowhere_is_seen() {
    let root = tree::root();
    let links = |text: &str| documents::broken_links(&root, &File::new("docs/a.md", text)).len();
    assert_eq!(
        links("[a](../Cargo.toml) [b](gone.md) [c](../gone.md#x)"),
        2
    );
    assert_eq!(
        links("[a](https://a.example/b) [b](#here)\n```\n[c](gone)\n```"),
        0
    );
    assert_eq!(documents::missing_commands("text").len(), 2);
}

#[test]
fn a_named_file_that_is_gone_or_could_be_two_is_seen() {
    let paths = ["a", "a/b", "a/b/c.rs", "d", "d/c.rs", "d/e.sh"].map(str::to_owned);
    let named = |text: &str| documents::missing_paths(&paths, &File::new("f.md", text)).len();
    assert_eq!(
        named("`gone.rs`, `c.rs` and `x/`\n```\n h  d/gone.rs\n```"),
        4
    );
    assert_eq!(named("`a/b/c.rs`, `b/c.rs`, `e.sh` and `a/b/`"), 0);
    assert_eq!(
        named(
            "`/operator`, `x://a/b`, `DATA/a.db`, gone.rs, `.rs`\n```\nb/c.rs, e.sh, HTTP/2\n```"
        ),
        0
    );
}
