//! A file's octets as text: UTF-8, or UTF-16 with a byte order mark (YAML 1.2.2, 5.2).

use std::io::{self, Read};

/// Reads a whole text of at most `bytes_max` octets.
///
/// # Errors
/// It cannot be read, is larger, or is neither UTF-8 nor UTF-16.
pub fn read_text(reader: impl Read, bytes_max: u64) -> io::Result<String> {
    let mut octets = Vec::new();
    // One byte more than allowed tells "too large" from "just fits" even while the file grows.
    let length = reader.take(bytes_max + 1).read_to_end(&mut octets)?;
    if length as u64 > bytes_max {
        return Err(io::Error::other(format!("larger than {bytes_max} bytes")));
    }
    match octets.as_slice() {
        [0xff, 0xfe, text @ ..] => utf_16(text, u16::from_le_bytes),
        [0xfe, 0xff, text @ ..] => utf_16(text, u16::from_be_bytes),
        _ => String::from_utf8(octets).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            no_text(&format!("byte {at} is not UTF-8"))
        }),
    }
}

fn utf_16(text: &[u8], unit: impl Fn([u8; 2]) -> u16) -> io::Result<String> {
    let (pairs, rest) = text.as_chunks();
    let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
    match String::from_utf16(&units) {
        Ok(text) if rest.is_empty() => Ok(text),
        Ok(_) | Err(_) => Err(no_text(
            "it is not the UTF-16 that its first octets promise",
        )),
    }
}

fn no_text(problem: &str) -> io::Error {
    let problem = format!("{problem}: save the file as UTF-8");
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_utf_8_or_utf_16() {
        let cases: [(&str, &[u8], Result<&str, &str>); 8] = [
            ("nothing", b"", Ok("")),
            ("UTF-8", "a: é".as_bytes(), Ok("a: é")),
            ("UTF-8 with its mark", b"\xef\xbb\xbfa", Ok("\u{feff}a")),
            ("UTF-16, little end first", b"\xff\xfea\0\xe9\0", Ok("aé")),
            ("UTF-16, big end first", b"\xfe\xff\0a\0\xe9", Ok("aé")),
            ("half a unit", b"\xff\xfea", Err("it is not the UTF-16")),
            (
                "half a pair",
                b"\xff\xfe\0\xd8",
                Err("it is not the UTF-16"),
            ),
            (
                "Latin-1",
                b"a: \xe9",
                Err("byte 3 is not UTF-8: save the file as UTF-8"),
            ),
        ];
        for (name, octets, expected) in cases {
            match (read_text(octets, 100), expected) {
                (Ok(text), Ok(expected)) => assert_eq!(text, expected, "{name}"),
                (Err(error), Err(start)) => {
                    assert!(error.to_string().starts_with(start), "{name}: {error}");
                }
                (read, _) => panic!("{name}: {read:?}"),
            }
        }
    }

    #[test]
    fn a_text_of_too_many_octets_is_refused() {
        assert_eq!(read_text(&b"aaa"[..], 3).expect("it fits"), "aaa");
        let error = read_text(io::repeat(b'a'), 3).expect_err("it has no end");
        assert_eq!(error.to_string(), "larger than 3 bytes");
    }
}
