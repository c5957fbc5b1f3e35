//! `outrider`, the one binary of the mesh: reads the command line and calls the part that acts.
//!
//! One file per command. Knows no rule of the mesh itself. Exit codes: 0 done, 1 failed while
//! running, 2 wrong usage or configuration; `outrider authz check` 0 allowed, 1 denied, 2 not known.

mod apply;
mod author;
mod authz;
mod backup;
mod control_plane;
mod delete;
mod demo;
mod demo_call;
mod demo_service;
mod diff;
mod document_files;
mod document_name;
mod events;
mod failure;
mod get;
mod history;
mod operator;
mod output;
mod parent;
mod probe;
mod restore;
mod rollback;
mod rotate;
mod sidecar;
mod status;
mod table;
mod token;
mod validate;
mod variables;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use outrider_allocator::MiMalloc;

/// Short-lived small allocations of many connections: measured on the data path, see `bench/`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// A gRPC-first service mesh.
#[derive(Debug, Parser)]
#[command(name = "outrider", version, about)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Stands beside one service and carries its calls.
    Sidecar(Box<sidecar::Args>),
    /// Runs the mesh: authority, registry, configuration.
    ControlPlane(control_plane::Args),
    /// Gives the control plane documents, all or none.
    Apply(apply::Args),
    /// Shows the documents in force, or at an earlier version.
    Get(get::Args),
    /// Shows what files would change, or what changed from one version to another.
    Diff(diff::Args),
    /// Shows who changed the documents, when and how.
    History(history::Args),
    /// Brings back the documents of an earlier version, as a new version.
    Rollback(rollback::Args),
    /// Ends documents, all or none.
    Delete(delete::Args),
    /// Shows what happened in the mesh.
    Events(events::Args),
    /// Shows the mesh as the control plane sees it.
    Status(status::Args),
    /// Says who may call what, by the documents.
    #[command(subcommand)]
    Authz(authz::Command),
    /// Makes, lists and revokes the tokens that sidecars join with.
    #[command(subcommand)]
    Token(token::Command),
    /// Takes a step from one root certificate to the next.
    Rotate(rotate::Args),
    /// Writes all that the control plane keeps into a file, keys included.
    Backup(backup::Args),
    /// Puts a backup in the place of the store of a control plane that is stopped.
    Restore(restore::Args),
    /// Checks a folder of documents as a sidecar would.
    Validate(validate::Args),
    /// Asks a page such as /readyz; exit code 0 when it answers 200.
    Probe(probe::Args),
    /// Shows the whole mesh on this machine: services, sidecars, load and faults.
    Demo(demo::Args),
    /// One service of the demo's shop, by itself.
    DemoService(demo_service::Args),
    /// Asks the demo's inventory for an article, as an application beside a sidecar does.
    DemoCall(demo_call::Args),
}

fn main() -> ExitCode {
    match parse() {
        Ok(command) => run(command),
        Err(error) => refuse(&error),
    }
}

fn parse() -> Result<Command, clap::Error> {
    let command = variables::without_empty(CommandLine::command());
    let typed = CommandLine::from_arg_matches(&command.try_get_matches()?)?;
    Ok(typed.command)
}

/// Prints why the command line cannot be read, or the help that was asked for.
fn refuse(error: &clap::Error) -> ExitCode {
    // The reader has gone: the text cannot be written.
    let _ = error.print();
    eprint!("{}", variables::notes(error, &CommandLine::command()));
    match error.use_stderr() {
        true => ExitCode::from(2),
        false => ExitCode::SUCCESS,
    }
}

fn run(command: Command) -> ExitCode {
    let outcome = match command {
        Command::Sidecar(args) => sidecar::run(*args),
        Command::ControlPlane(args) => control_plane::run(args),
        Command::Apply(args) => apply::run(&args),
        Command::Get(args) => get::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::History(args) => history::run(&args),
        Command::Rollback(args) => rollback::run(&args),
        Command::Delete(args) => delete::run(&args),
        Command::Events(args) => events::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Authz(command) => match authz::run(&command) {
            Ok(code) => return code,
            Err(failure) => Err(failure),
        },
        Command::Token(command) => token::run(&command),
        Command::Rotate(args) => rotate::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Validate(args) => validate::run(&args),
        Command::Probe(args) => probe::run(&args),
        Command::Demo(args) => demo::run(args),
        Command::DemoService(args) => return demo_service::run(&args),
        Command::DemoCall(args) => demo_call::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let text = failure.to_string();
            let sources = variables::sources_of(&text, &CommandLine::command());
            eprint!("outrider: {text}\n{sources}");
            failure.exit_code()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    /// The flags of a subcommand that a user sees, each with its variable.
    fn flags(subcommand: &str) -> Vec<(String, String)> {
        let command = CommandLine::command();
        let command = command.find_subcommand(subcommand).unwrap();
        let shown = command.get_arguments().filter(|flag| !flag.is_hide_set());
        let mut here: Vec<_> = shown
            .filter_map(|flag| {
                Some((
                    format!("--{}", flag.get_long()?),
                    flag.get_env()?.to_str()?.to_owned(),
                ))
            })
            .collect();
        here.sort();
        here
    }

    #[test]
    fn every_flag_of_the_sidecar_is_in_the_documented_table_with_its_variable() {
        let documented = outrider_daemon::FLAGS.iter();
        let documented = documented.map(|flag| (flag.name.to_owned(), flag.variable()));
        let mut documented: Vec<_> = documented.collect();
        documented.sort();
        assert_eq!(flags("sidecar"), documented);
    }

    #[test]
    fn every_flag_of_the_control_plane_is_in_the_documented_table_with_its_variable() {
        let documented = outrider_control_plane::FLAGS.iter();
        let documented = documented.map(|flag| (flag.name.to_owned(), flag.variable()));
        let mut documented: Vec<_> = documented.collect();
        documented.sort();
        assert_eq!(flags("control-plane"), documented);
    }
}
