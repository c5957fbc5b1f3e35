//! The repository as the rules see it: every text file that is ours, read once.
//!
//! Decides what is looked at: not `target`, not dot folders but `.ci` and `.cargo`. Knows no rule.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::lexer;

/// One file of the repository.
pub struct File {
    /// Path from the root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
    /// For Rust: the text without comments and literals. Empty otherwise.
    pub code: String,
}

impl File {
    /// A file as a rule sees it; also how the rules' own tests make one.
    pub fn new(path: &str, text: &str) -> File {
        let code = match path.ends_with(".rs") {
            true => lexer::code_only(text),
            false => String::new(),
        };
        File {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
        }
    }

    /// Written by prost from a `.proto` file; read by nobody, so not held to the style.
    pub fn is_generated(&self) -> bool {
        self.path.contains("/src/gen/")
    }
}

/// Drops the files that are compiled for tests only, as their parents declare.
pub fn without_tests(mut files: Vec<File>) -> Vec<File> {
    let tests: Vec<_> = files.iter().flat_map(test_modules).collect();
    files.retain(|file| {
        let inside = |module: &String| file.path.starts_with(&format!("{module}/"));
        !tests
            .iter()
            .any(|module| file.path == format!("{module}.rs") || inside(module))
    });
    files
}

/// Paths, without `.rs`, of the modules that `file` declares for tests only.
fn test_modules(file: &File) -> Vec<String> {
    let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
    let folder = match name {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
        _ => file.path.trim_end_matches(".rs").to_owned(),
    };
    lexer::test_module_names(&file.code)
        .map(|module| format!("{folder}/{module}"))
        .collect()
}

/// The root of the workspace.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// All files whose names end in one of `extensions`, in order of their paths.
pub fn files(extensions: &[&str]) -> Vec<File> {
    let root = root();
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.sort();
    paths
        .iter()
        .filter(|path| {
            let extension = path.extension().and_then(|name| name.to_str());
            extension.is_some_and(|name| extensions.contains(&name))
        })
        .map(|path| read(&root, path))
        .collect()
}

/// Paths of the files whose names end in one of `extensions`, and of the folders they are in.
pub fn paths(extensions: &[&str]) -> Vec<String> {
    let mut paths = BTreeSet::new();
    for file in files(extensions) {
        let folders = Path::new(&file.path).ancestors();
        paths.extend(folders.map(|path| path.to_string_lossy().into_owned()));
    }
    paths.into_iter().collect()
}

/// The Rust files written by hand.
pub fn sources() -> Vec<File> {
    let mut files = files(&["rs"]);
    files.retain(|file| !file.is_generated());
    assert!(files.len() > 50, "the walk found {} files", files.len());
    files
}

fn read(root: &Path, path: &Path) -> File {
    let name = path.strip_prefix(root).unwrap_or(path);
    let text = fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    File::new(&name.to_string_lossy().replace('\\', "/"), &text)
}

fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("cannot list {}: {error}", folder.display()));
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let is_read = name == ".ci" || name == ".cargo";
        let hidden = name.to_string_lossy().starts_with('.') && !is_read;
        if path.is_dir() && !hidden && name != "target" {
            walk(&path, into);
        } else if path.is_file() {
            into.push(path);
        }
    }
}
