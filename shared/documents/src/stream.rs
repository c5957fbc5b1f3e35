//! A file to its documents: what YAML allows around them, and nothing of what is in them.
//!
//! A file is cut before it is parsed, so that one broken document does not hide the errors of the
//! next. Follows the stream of YAML 1.2.2 (chapter 9): directives, `---`, `...`, byte order marks,
//! comments, empty documents; a line ends with LF, CR LF or CR. Inside of a document, block scalars
//! included, no line can begin with `---` or `...` and a blank (9.1.2).

use crate::error::{Origin, Place};

/// A YAML document: a part of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    pub origin: Origin,
    /// From its directives, or its `---`, or its first line; without a `...` that ends it.
    pub text: &'a str,
}

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Cuts a file into its documents; those without content are left out.
pub(crate) fn split(file: usize, text: &str) -> Vec<Text<'_>> {
    let mut cutter = Cutter::new(file, text);
    let mut offset = 0;
    for (number, line) in lines(text).enumerate() {
        cutter.line(number, offset, line);
        offset += line.len();
    }
    cutter.cut(text.len());
    cutter.documents
}

/// The texts of documents as one file: [`split`] finds the same texts in it.
pub(crate) fn join<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let mut file = String::new();
    for text in texts {
        file.push_str(match (file.as_str(), text.starts_with('%')) {
            ("", _) => "",
            // Directives stand only where the document before has ended.
            (_, true) => "...\n",
            (_, false) => "---\n",
        });
        file.push_str(&ended(text));
    }
    file
}

/// The text with a line break at its end.
pub(crate) fn ended(text: &str) -> String {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{end}")
}

/// The lines with their ends.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (line, after) = rest.split_at(line_length(rest));
        rest = after;
        (!line.is_empty()).then_some(line)
    })
}

fn line_length(text: &str) -> usize {
    match text.find(['\r', '\n']) {
        Some(end) if text[end..].starts_with("\r\n") => end + 2,
        Some(end) => end + 1,
        None => text.len(),
    }
}

/// What a line is, if it does not continue a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// Nothing, or a comment.
    Blank,
    /// `%YAML 1.2`; only where no document is open.
    Directive,
    /// `---`, which may have content behind it.
    Start,
    /// `...`.
    End,
    Content,
}

fn kind(line: &str) -> Line {
    match line.chars().next() {
        _ if is_blank(line) => Line::Blank,
        Some('%') => Line::Directive,
        _ if after_marker(line, "---").is_some() => Line::Start,
        _ if after_marker(line, "...").is_some() => Line::End,
        _ => Line::Content,
    }
}

fn after_marker<'l>(line: &'l str, marker: &str) -> Option<&'l str> {
    let rest = line.strip_prefix(marker)?;
    (rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n'])).then_some(rest)
}

fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// Does the line say something? A document that is null says nothing.
fn has_content(line: &str) -> bool {
    let says = |text: &str| {
        let text = text.trim();
        !is_blank(text) && !matches!(text, "~" | "null" | "Null" | "NULL")
    };
    match kind(line) {
        Line::Blank | Line::End => false,
        Line::Start => after_marker(line, "---").is_some_and(says),
        Line::Directive => true,
        Line::Content => says(line),
    }
}

/// Where in a file the next line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    /// No document is open.
    Prefix,
    /// The directives of the next one are.
    Directives,
    Document,
}

struct Cutter<'t> {
    file: usize,
    text: &'t str,
    within: Within,
    /// Where the document begins: the offset in the file, and the lines before.
    start: (usize, usize),
    documents: Vec<Text<'t>>,
}

impl<'t> Cutter<'t> {
    fn new(file: usize, text: &'t str) -> Cutter<'t> {
        Cutter {
            file,
            text,
            within: Within::Prefix,
            start: (0, 0),
            documents: Vec::new(),
        }
    }

    /// The next line: its number from 0, and its offset in the file.
    fn line(&mut self, number: usize, offset: usize, line: &str) {
        let unmarked = line.trim_start_matches(BYTE_ORDER_MARK);
        let begin = offset + line.len() - unmarked.len();
        if begin > offset {
            self.cut(offset);
            self.open(Within::Prefix, begin, number);
        }
        match (kind(unmarked), self.within) {
            (Line::Start, Within::Document | Within::Prefix) => {
                self.cut(begin);
                self.open(Within::Document, begin, number);
            }
            (Line::End, _) => {
                self.cut(begin);
                self.open(Within::Prefix, offset + line.len(), number + 1);
            }
            (Line::Directive, Within::Prefix) => {
                self.cut(begin);
                self.open(Within::Directives, begin, number);
            }
            (Line::Start, Within::Directives) | (Line::Content, _) => {
                self.within = Within::Document;
            }
            (Line::Directive, Within::Directives | Within::Document) | (Line::Blank, _) => {}
        }
    }

    fn cut(&mut self, end: usize) {
        let (start, lines_before) = self.start;
        let text = &self.text[start..end];
        if lines(text).any(has_content) {
            let file = self.file;
            let origin = Origin { file, lines_before };
            self.documents.push(Text { origin, text });
        }
    }

    fn open(&mut self, within: Within, offset: usize, lines_before: usize) {
        self.within = within;
        self.start = (offset, lines_before);
    }
}

impl Text<'_> {
    /// Where the document begins; for errors that belong to no line of it.
    pub fn place(&self) -> Place {
        let first = lines(self.text).position(has_content).unwrap_or(0);
        Place {
            file: self.origin.file,
            line: self.origin.lines_before + first + 1,
            column: 1,
        }
    }

    /// Are there directives, and no `---` to end them?
    pub fn has_open_directives(&self) -> bool {
        let mut lines = lines(self.text).map(kind).filter(|it| *it != Line::Blank);
        let after = lines.find(|it| *it != Line::Directive);
        self.text.starts_with('%') && after != Some(Line::Start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each document as its line in the file, and its text.
    fn documents(file: &str) -> Vec<(usize, &str)> {
        let documents = split(0, file).into_iter();
        documents
            .map(|document| (document.place().line, document.text))
            .collect()
    }

    /// Its name, a file, and its documents: the line where each begins, and its text.
    type Case = (&'static str, &'static str, &'static [(usize, &'static str)]);

    #[test]
    fn a_file_is_cut_where_yaml_says() {
        let cases: [Case; 17] = [
            ("nothing", "", &[]),
            ("only comments", "# a\n---\n# b\n", &[]),
            ("one without a marker", "a: 1\n", &[(1, "a: 1\n")]),
            ("one with a marker", "---\na: 1\n", &[(2, "---\na: 1\n")]),
            (
                "two",
                "a: 1\n---\nb: 2\n",
                &[(1, "a: 1\n"), (3, "---\nb: 2\n")],
            ),
            (
                "empty ones",
                "---\n--- # c\n--- ~\n---\nb: 2\n",
                &[(5, "---\nb: 2\n")],
            ),
            ("an end", "a: 1\n...\n", &[(1, "a: 1\n")]),
            (
                "an end, then one",
                "a: 1\n... # c\nb: 2\n",
                &[(1, "a: 1\n"), (3, "b: 2\n")],
            ),
            (
                "dashes and dots within",
                "a: |\n  ---\n  ...\n----\n",
                &[(1, "a: |\n  ---\n  ...\n----\n")],
            ),
            (
                "directives",
                "# c\n%YAML 1.2\n# d\n---\na: 1\n",
                &[(2, "%YAML 1.2\n# d\n---\na: 1\n")],
            ),
            (
                "directives after an end",
                "a: 1\n...\n%A\n---\nb: 2\n",
                &[(1, "a: 1\n"), (3, "%A\n---\nb: 2\n")],
            ),
            (
                "a percent sign within",
                "a: \"x\n%y\"\n",
                &[(1, "a: \"x\n%y\"\n")],
            ),
            ("a byte order mark", "\u{feff}a: 1\n", &[(1, "a: 1\n")]),
            (
                "one before each",
                "\u{feff}---\na: 1\n\u{feff}# c\n---\nb: 2\n",
                &[(2, "---\na: 1\n"), (5, "---\nb: 2\n")],
            ),
            ("CR LF", "---\r\na: 1\r\n...\r\n", &[(2, "---\r\na: 1\r\n")]),
            (
                "CR",
                "---\ra: 1\r---\rb: 2",
                &[(2, "---\ra: 1\r"), (4, "---\rb: 2")],
            ),
            (
                "content behind a marker",
                "--- {a: 1}\n--- # c\n",
                &[(1, "--- {a: 1}\n")],
            ),
        ];
        for (name, file, expected) in cases {
            assert_eq!(documents(file), expected, "{name}");
        }
    }

    #[test]
    fn what_is_joined_is_cut_into_the_same_texts() {
        let texts = [
            "%YAML 1.2\n---\na: 1\n",
            "b: 2\r\n",
            "%A\n---\nc: 3\n",
            "--- { d: 4 }\n",
            "{}\n",
        ];
        let file = join(texts);
        let found: Vec<&str> = split(0, &file)
            .iter()
            .map(|it| it.text.trim_start_matches("---\n"))
            .collect();
        assert_eq!(found, texts);
        assert_eq!(join(["a: 1", "b: 2"]), "a: 1\n---\nb: 2\n");
    }
}
