//! One row of a command's table of flags.
//!
//! The tables are in the crates of the commands, and in `docs/CONFIG.md`; their tests compare the
//! two by [`Flag::row`] and [`Flag::rows`].

/// One flag, for the documentation and for the cli's own test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The flag as typed, with its dashes. The environment variable that says the same is
    /// [`Flag::variable`].
    pub name: &'static str,
    /// What kind of value it takes.
    pub kind: &'static str,
    /// Unit of the value; `-` when it has none.
    pub unit: &'static str,
    /// Value when neither flag nor variable is given; `-` when there is none.
    pub default: &'static str,
    /// Values accepted.
    pub range: &'static str,
}

impl Flag {
    /// The environment variable of the flag: `--trust-bundle` is `OUTRIDER_TRUST_BUNDLE`.
    pub fn variable(&self) -> String {
        let words = self.name.trim_start_matches('-').replace('-', "_");
        format!("OUTRIDER_{}", words.to_ascii_uppercase())
    }

    /// The cells of its row in the documentation, without the last one (the meaning).
    pub fn row(&self) -> Vec<String> {
        let quoted = |text: &str| format!("`{text}`");
        let Flag {
            name,
            kind,
            unit,
            default,
            range,
        } = self;
        let mut row = vec![quoted(name), quoted(&self.variable())];
        row.extend([kind, unit, default, range].map(|cell| (*cell).to_owned()));
        row
    }

    /// The rows of the table of flags in the section `heading` of a page in Markdown, as
    /// [`Flag::row`] gives them.
    pub fn rows(page: &str, heading: &str) -> Vec<Vec<String>> {
        let starts = |part: &&str| part.trim_start_matches("# ").starts_with(heading);
        let section = page.split("\n# ").find(starts).unwrap_or_default();
        let rows = section.lines().filter(|line| line.starts_with("| `--"));
        rows.map(|row| {
            let cells = row.split('|').map(str::trim);
            cells.skip(1).take(6).map(str::to_owned).collect()
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_found_as_it_is_made() {
        let flag = Flag {
            name: "--trust-bundle",
            kind: "file",
            unit: "PEM",
            default: "-",
            range: "all three or none",
        };
        let page = "# Other\n| `--no` | a | b | c | d | e | f |\n\n# Flags\n| flag | variable |\n\
            | `--trust-bundle` | `OUTRIDER_TRUST_BUNDLE` | file | PEM | - | all three or none | Roots |\n";
        assert_eq!(Flag::rows(page, "Flags"), [flag.row()]);
        assert_eq!(Flag::rows(page, "None"), Vec::<Vec<String>>::new());
    }
}
