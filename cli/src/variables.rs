//! Environment variables beside flags: an empty one counts as unset, and an error says which of the
//! values that it is about came from a variable.
//!
//! Knows the flags by clap's description of the command line, so it holds for every command.

use std::env;
use std::ffi::OsString;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};

/// The command line without the variables that are set and empty, as compose files and unit files
/// leave them behind.
pub fn without_empty(command: Command) -> Command {
    let unset = |arg: Arg| match value(&arg) {
        Some(value) if value.is_empty() => arg.env(Resettable::Reset),
        Some(_) | None => arg,
    };
    command.mut_args(unset).mut_subcommands(without_empty)
}

fn value(arg: &Arg) -> Option<OsString> {
    env::var_os(arg.get_env()?)
}

/// A line for each flag that `text` names and whose value came from a variable.
pub fn sources_of(text: &str, command: &Command) -> String {
    let flags = Flag::all(command);
    let named = flags.iter().filter(|flag| flag.is_named_in(text));
    let used = named.filter(|flag| flag.is_from_variable);
    used.map(Flag::source).collect()
}

/// What clap's error does not say of variables: which values came from one, and which variable
/// gives what is missing.
pub fn notes(error: &Error, command: &Command) -> String {
    let flags = Flag::all(command);
    let about: Vec<String> = error.context().filter_map(named_flags).collect();
    let (about, shown) = (about.join(" "), error.to_string());
    let notes = flags.iter().filter_map(|flag| match error.kind() {
        ErrorKind::InvalidUtf8 => flag.is_unreadable().then(|| flag.source()),
        // What is missing may be missing because of a flag that is only in the usage line.
        ErrorKind::MissingRequiredArgument if flag.is_from_variable => {
            flag.is_named_in(&shown).then(|| flag.source())
        }
        ErrorKind::MissingRequiredArgument => flag.is_named_in(&about).then(|| flag.way()),
        _ => (flag.is_from_variable && flag.is_named_in(&about)).then(|| flag.source()),
    });
    notes.collect()
}

fn named_flags((kind, value): (ContextKind, &ContextValue)) -> Option<String> {
    match (kind, value) {
        (ContextKind::InvalidArg | ContextKind::PriorArg, ContextValue::String(flag)) => {
            Some(flag.clone())
        }
        (ContextKind::InvalidArg | ContextKind::PriorArg, ContextValue::Strings(flags)) => {
            Some(flags.join(" "))
        }
        _ => None,
    }
}

/// A flag of the command that was typed, and its variable.
struct Flag {
    /// With its dashes.
    name: String,
    variable: OsString,
    /// The variable is set and not empty, and the flag was not typed.
    is_from_variable: bool,
}

impl Flag {
    /// The flags that have a variable, of the subcommand that this process was started with.
    fn all(command: &Command) -> Vec<Flag> {
        let words: Vec<OsString> = env::args_os().skip(1).collect();
        let mut typed = command;
        for word in &words {
            let Some(subcommand) = typed.find_subcommand(word) else {
                break;
            };
            typed = subcommand;
        }
        let flags = typed.get_arguments().filter_map(|arg| {
            let name = format!("--{}", arg.get_long()?);
            let variable = arg.get_env()?.to_owned();
            let is_set = value(arg).is_some_and(|value| !value.is_empty());
            let is_typed = words.iter().any(|word| is_flag(word, &name));
            Some(Flag {
                is_from_variable: is_set && !is_typed,
                name,
                variable,
            })
        });
        flags.collect()
    }

    /// Is `--app` in the text, and not only `--app-name`?
    fn is_named_in(&self, text: &str) -> bool {
        let mut places = text.match_indices(&self.name);
        places.any(|(at, name)| {
            let next = text[at + name.len()..].chars().next();
            next.is_none_or(|next| next != '-' && !next.is_alphanumeric())
        })
    }

    fn is_unreadable(&self) -> bool {
        self.is_from_variable && env::var(&self.variable).is_err()
    }

    fn source(&self) -> String {
        let (name, variable) = (&self.name, self.variable.display());
        format!("note: {name} was set by the variable {variable}\n")
    }

    fn way(&self) -> String {
        let (name, variable) = (&self.name, self.variable.display());
        format!("note: {name} can also be set by the variable {variable}\n")
    }
}

/// `--name` or `--name=value`.
fn is_flag(word: &OsString, name: &str) -> bool {
    let word = word.to_string_lossy();
    let rest = word.strip_prefix(name);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}
