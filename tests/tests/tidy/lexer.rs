//! Just enough of Rust's grammar to judge source by its code, not by its comments or strings.
//!
//! Decides which octets are code. Deliberately no parser: rules that need types belong in clippy.
//! Reference: The Rust Reference, "Tokens" and "Comments".

use std::ops::Range;

/// The text with every comment, string and character literal replaced by blanks.
///
/// Line breaks stay, so that line numbers still hold.
pub fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        if end > at {
            blank(&mut out[at..end]);
            at = end;
        } else {
            at = skip_token(bytes, at);
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The code without the modules that exist only for tests (`#[cfg(test)] mod name { .. }`).
pub fn without_test_modules(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    for (start, _) in code.match_indices("#[cfg(test)]") {
        let rest = &code[start..];
        let Some(open) = rest.find(['{', ';']) else {
            continue;
        };
        if rest.as_bytes()[open] == b'{' {
            let end = closing_brace(code.as_bytes(), start + open);
            blank(&mut out[start..end]);
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Names of modules with a file of their own that exist only for tests (`#[cfg(test)] mod name;`).
pub fn test_module_names(code: &str) -> impl Iterator<Item = &str> {
    code.split("#[cfg(test)]").skip(1).filter_map(|rest| {
        let name = rest.trim_start().strip_prefix("mod ")?;
        let end = name.find(['{', ';'])?;
        (name.as_bytes()[end] == b';').then(|| name[..end].trim())
    })
}

/// A function with a body: its name and the lines from `fn` to the closing brace.
pub struct Function {
    /// Its name.
    pub name: String,
    /// 1-based line of the `fn`.
    pub line: usize,
    /// Lines from `fn` to the closing brace, both counted.
    pub lines: usize,
}

/// Every function with a body in `code` (as [`code_only`] gives it).
pub fn functions(code: &str) -> Vec<Function> {
    identifiers(code)
        .filter(|range| &code[range.clone()] == "fn")
        .filter_map(|range| function_at(code, range.start))
        .collect()
}

/// Every identifier and keyword, as a range of `code`.
pub fn identifiers(code: &str) -> impl Iterator<Item = Range<usize>> {
    let bytes = code.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() && !is_word(bytes[at]) {
            at += 1;
        }
        let start = at;
        while at < bytes.len() && is_word(bytes[at]) {
            at += 1;
        }
        (start < at).then_some(start..at)
    })
}

/// 1-based line of an octet.
pub fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at]
        .iter()
        .filter(|&&byte| byte == b'\n')
        .count()
        + 1
}

fn function_at(code: &str, start: usize) -> Option<Function> {
    let name = identifiers(&code[start..]).nth(1)?;
    // `fn(u8) -> u8` is a type: the next word does not follow the blank directly.
    if code[start + 2..start + name.start].trim() != "" {
        return None;
    }
    let open = body_start(code.as_bytes(), start)?;
    let end = closing_brace(code.as_bytes(), open);
    let line = line_of(code, start);
    Some(Function {
        name: code[start..][name].to_owned(),
        line,
        lines: line_of(code, end.saturating_sub(1)) - line + 1,
    })
}

/// The `{` that opens a function's body; `None` for a declaration without one.
fn body_start(bytes: &[u8], start: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, byte) in bytes.iter().enumerate().skip(start) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(at),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// One past the brace that closes the one at `open`.
fn closing_brace(bytes: &[u8], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in bytes.iter().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return at + 1,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    bytes.len()
}

/// One past the comment or literal that starts at `at`; `at` itself when none does.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return at + find(rest, b"\n").unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return at + block_comment_length(rest);
    }
    match rest[0] {
        b'"' => at + quoted_length(rest, b'"'),
        b'r' | b'b' | b'c' => at + prefixed_length(rest),
        b'\'' => at + character_length(rest),
        _ => at,
    }
}

/// Past a whole word (so that `r` inside `for"` starts no raw string), else past one octet.
fn skip_token(bytes: &[u8], at: usize) -> usize {
    let word = bytes[at..]
        .iter()
        .take_while(|&&byte| is_word(byte))
        .count();
    at + word.max(1)
}

fn block_comment_length(rest: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

/// Length of a quoted literal with escapes, quotes included.
fn quoted_length(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Length of `b"..."`, `r#"..."#`, `br"..."`, `b'x'`; 0 for a word that only starts so.
fn prefixed_length(rest: &[u8]) -> usize {
    let letters = rest
        .iter()
        .take_while(|byte| b"rbc".contains(byte))
        .count()
        .min(2);
    let hashes = rest[letters..]
        .iter()
        .take_while(|&&byte| byte == b'#')
        .count();
    let body = letters + hashes;
    let raw = rest[..letters].contains(&b'r');
    match rest.get(body) {
        Some(b'"') if raw => {
            let close = [b"\"".to_vec(), vec![b'#'; hashes]].concat();
            let length = find(&rest[body + 1..], &close);
            length.map_or(rest.len(), |length| body + 1 + length + close.len())
        }
        Some(b'"') if hashes == 0 => body + quoted_length(&rest[body..], b'"'),
        Some(b'\'') if hashes == 0 && letters == 1 && rest[0] == b'b' => {
            1 + quoted_length(&rest[1..], b'\'')
        }
        _ => 0,
    }
}

/// Length of `'x'` or `'\n'`; 0 for a lifetime.
fn character_length(rest: &[u8]) -> usize {
    match rest.get(1) {
        Some(b'\\') => quoted_length(rest, b'\''),
        // `'a'` is a character, `'a, 'b` and `'a>(&'a` are lifetimes.
        Some(first) if first.is_ascii() => match rest.get(2) {
            Some(b'\'') => 3,
            Some(_) | None => 0,
        },
        Some(_) => {
            let end = rest.iter().skip(2).take(4).position(|&byte| byte == b'\'');
            end.map_or(0, |end| end + 3)
        }
        None => 0,
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
