//! What `OUTRIDER_LOG` may say: a level, and other levels for parts of the program.
//!
//! `warn`, or `warn,outrider_daemon::member=debug`. A part is a module path, as the field `target` of
//! a log line shows it, and everything below it. The syntax is a part of env_logger's: a bare word
//! is always a level, so that a misspelt one is not taken for a part of the program.

use tracing_subscriber::filter::{LevelFilter, Targets};

/// The level where none is said.
const LEVEL: LevelFilter = LevelFilter::INFO;

/// The resolver reports its failures to us; its own lines would say them twice. They are logged
/// only when a part of it is named.
const QUIET: [&str; 2] = ["hickory_net", "hickory_resolver"];

/// Reads the value of `OUTRIDER_LOG`; an empty one says nothing.
///
/// # Errors
/// What is wrong, and which words are right.
pub fn parse(text: &str) -> Result<Targets, String> {
    let quiet = QUIET.map(|target| (target, LevelFilter::OFF));
    let mut levels = Targets::new().with_default(LEVEL).with_targets(quiet);
    let parts = text.split(',').map(str::trim).filter(|it| !it.is_empty());
    for part in parts {
        levels = match part.split_once('=') {
            None => levels.with_default(level(text, part)?),
            Some((target, word)) => {
                let target = checked(text, target.trim())?;
                levels.with_target(target, level(text, word.trim())?)
            }
        };
    }
    Ok(levels)
}

fn level(text: &str, word: &str) -> Result<LevelFilter, String> {
    let is_word = word.bytes().all(|octet| octet.is_ascii_alphabetic());
    let level = word.parse().ok().filter(|_| is_word && !word.is_empty());
    level.ok_or_else(|| wrong(text, &format!("`{word}` is no level")))
}

/// A module path: `outrider_daemon::member`.
fn checked<'t>(text: &str, target: &'t str) -> Result<&'t str, String> {
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"_-:".contains(&octet);
    match !target.is_empty() && target.bytes().all(fits) {
        true => Ok(target),
        false => Err(wrong(text, &format!("`{target}` is no part of a program"))),
    }
}

fn wrong(text: &str, problem: &str) -> String {
    format!(
        "is {text:?}, but {problem}: write off, error, warn, info, debug or trace, and for parts of \
         the program PART=LEVEL with commas between, such as info,outrider_daemon=debug"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    /// The most that is logged of `target`; empty for nothing.
    fn most(text: &str, target: &str) -> String {
        let levels = parse(text).expect("it is right");
        let all = [
            Level::TRACE,
            Level::DEBUG,
            Level::INFO,
            Level::WARN,
            Level::ERROR,
        ];
        let mut logged = all.iter().filter(|it| levels.would_enable(target, it));
        let most = logged.next().map(Level::to_string);
        most.unwrap_or_default().to_lowercase()
    }

    #[test]
    fn a_level_holds_for_everything_that_is_not_named() {
        let cases = [
            ("nothing is said", "", "h2", "info"),
            ("blanks say nothing", " , ", "h2", "info"),
            ("one level", "warn", "h2", "warn"),
            ("any case", "Debug", "h2", "debug"),
            ("silence, if it is asked for", "OFF", "h2", ""),
            ("blanks around", " trace ,", "h2", "trace"),
            ("a part", "a=debug", "a::b", "debug"),
            ("beside a part", "a=debug", "h2", "info"),
            ("a quieter part", "info, h2 = off", "h2::server", ""),
            ("the longest path", "a=off,a::b=debug", "a::b", "debug"),
            ("the resolver", "trace", "hickory_net", ""),
            (
                "the resolver, named",
                "hickory_net=warn",
                "hickory_net",
                "warn",
            ),
        ];
        for (rule, text, target, expected) in cases {
            assert_eq!(most(text, target), expected, "{rule}: {text:?}");
        }
    }

    #[test]
    fn what_is_no_level_is_refused_with_the_words_that_are() {
        let texts = [
            "warning",
            "err",
            "verbose",
            "3",
            "outrider_daemon",
            "info;debug",
            "h2=warning",
            "h2=",
            "=info",
            "h2[span]=debug",
            "h2{a=1}",
            "info debug",
            "h2=info=debug",
        ];
        for text in texts {
            let problem = parse(text).expect_err(text);
            let words = "off, error, warn, info, debug or trace";
            assert!(problem.contains(words), "{problem}");
            assert!(problem.contains(&format!("{text:?}")), "{problem}");
        }
    }
}
