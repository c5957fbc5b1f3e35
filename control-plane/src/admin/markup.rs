//! Pieces of the page: rows, paragraphs, names and times, with what others wrote escaped.

use std::fmt::Write;

/// Begins a table.
pub fn table(page: &mut String, columns: &[&str]) {
    page.push_str("<table>\n<tr>");
    for column in columns {
        let _ = write!(page, "<th>{column}</th>");
    }
    page.push_str("</tr>\n");
}

/// Cells are markup: the caller escapes what it puts in.
pub fn row(page: &mut String, cells: &[&str]) {
    page.push_str("<tr>");
    for cell in cells {
        let _ = write!(page, "<td>{cell}</td>");
    }
    page.push_str("</tr>\n");
}

/// A paragraph.
pub fn line(page: &mut String, markup: &str) {
    let _ = writeln!(page, "<p>{markup}</p>");
}

/// A service's name, escaped.
pub fn name(namespace: &str, service: &str) -> String {
    let (namespace, service) = (escape(namespace), escape(service));
    format!("<b>{service}</b> <small>of {namespace}</small>")
}

/// A text of machines, escaped.
pub fn code(text: &str) -> String {
    format!("<code>{}</code>", escape(text))
}

/// Seconds in the largest units that say something.
pub fn span(seconds: i64) -> String {
    match seconds {
        ..0 => "0 s".to_owned(),
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// The text without markup in it.
pub fn escape(text: &str) -> String {
    // Nearly every text is plain, and a large mesh has tens of thousands on its page.
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return text.to_owned();
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}
