//! Cleans texts from clients: node ids, reasons, names of agents.
//!
//! They are shown to operators, in terminals too, so each is cut and cleaned where it comes in, here and
//! nowhere else: nothing that is kept can move a cursor, hide a line or turn the direction of writing.

/// At most the first `bytes_max` octets of a text, or a few less where a character would be split, on one
/// line: control characters, line separators and what only steers how others are shown become spaces.
pub fn clean(text: &str, bytes_max: usize) -> String {
    let text = &text[..text.floor_char_boundary(bytes_max)];
    text.replace(steers, " ")
}

/// Controls (C0, DEL, C1), separators of lines, and characters of format that are invisible: marks and
/// overrides of direction, joiners, tags (Unicode 16, general categories Cc, Cf, Zl, Zp).
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_steers_nothing() {
        let cases = [
            ("orders/1 \u{e9}", "orders/1 \u{e9}"),
            ("a\nb\tc\r", "a b c "),
            ("\u{1b}[2J\u{9b}31m\u{7f}", " [2J 31m "),
            ("a\u{202e}b\u{2066}c\u{200b}d", "a b c d"),
            ("a\u{2028}b\u{2029}c", "a b c"),
            ("\u{feff}a\u{e0041}", " a "),
        ];
        for (said, kept) in cases {
            assert_eq!(clean(said, 64), kept, "{said:?}");
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let long = format!("a{}", "\u{e9}".repeat(64));
        assert_eq!(clean(&long, 64).len(), 63);
        assert_eq!(clean("short", 64), "short");
    }
}
