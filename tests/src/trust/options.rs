//! The trust command's line.

use std::path::PathBuf;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// Put the table, or the lines of the soaks, into docs/TRUST.md.
    pub write: bool,
    /// The soaks instead.
    pub long: bool,
    /// No proxies of others.
    pub ours_only: bool,
    /// Only classes, or soaks, whose name contains this.
    pub only: Option<String>,
    /// The program that has `sidecar`.
    pub program: PathBuf,
}

const USAGE: &str = "usage: trust [--write] [--long] [--ours] [--only PART-OF-A-NAME]

  --write  put what is measured into docs/TRUST.md, with date and commit: the whole table, or the
           lines of the soaks that ran
  --long   the soaks: long fuzzing, 10,000 simulation seeds, servers that age connections for ten
           minutes, 1,000,000 calls with cancellation
  --ours   leave the proxies of others out, which the table says
  --only   only classes (with --long: soaks) whose name contains this";

const PARTIAL: &str = "--write replaces the whole table, which --only would leave a part of; leave one \
                       of the two out (with --long each soak has a line of its own)";

impl Options {
    /// Reads `words`.
    ///
    /// # Errors
    /// The usage, or that there is no sidecar to be tried.
    pub fn parse(words: &[String]) -> Result<Options, String> {
        let mut options = Options {
            write: false,
            long: false,
            ours_only: false,
            only: None,
            program: PathBuf::new(),
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--write" => options.write = true,
                "--long" => options.long = true,
                "--ours" => options.ours_only = true,
                "--only" => options.only = Some(words.next().ok_or(USAGE)?.clone()),
                _ => return Err(USAGE.to_owned()),
            }
        }
        if options.write && options.only.is_some() && !options.long {
            return Err(PARTIAL.to_owned());
        }
        options.program = program()?;
        Ok(options)
    }

    /// Is a class of this name asked for?
    pub fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|part| name.contains(part))
    }
}

/// `outrider` beside this program.
fn program() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let program = own.with_file_name("outrider");
    match program.is_file() {
        true => Ok(program),
        false => Err(format!(
            "{} is missing; build it with `cargo build --release`",
            program.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_table_does_not_replace_the_whole() {
        let parse = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            Options::parse(&words).map(drop)
        };
        assert_eq!(parse("--only ping --write"), Err(PARTIAL.to_owned()));
        assert_ne!(parse("--only ping --write --long"), Err(PARTIAL.to_owned()));
        assert_ne!(parse("--ours --write"), Err(PARTIAL.to_owned()));
    }
}
