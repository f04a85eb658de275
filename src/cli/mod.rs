//! The command line.

mod app_option;
mod caller;
mod data;
mod dev;
mod export;
mod files;
mod healthcheck;
mod import;
mod input;
mod local_tls;
mod manual;
mod overrides;
mod place;
mod profile;
mod pull;
mod remote;
mod seed;
mod serve;
mod usersig;

use clap::{Parser, Subcommand};

/// Conversation groups and marks, wire-compatible with Tencent Chat's v4/recentcontact.
#[derive(Debug, Parser)]
#[command(name = "confold", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Start a server for development: no configuration, no account, no network needed.
    Dev(Box<dev::Options>),
    /// Run a server by a configuration file.
    Serve(serve::Options),
    /// Say what a configuration would run, secrets masked, or everything that is wrong with it.
    CheckConfig(serve::Options),
    /// Write everything that is kept as lines of JSON.
    Export(export::Options),
    /// Check lines of JSON, and put all of them into a data directory or a running server.
    Import(import::Options),
    /// Fetch groups and marks from a server that speaks this API, Tencent's own among them.
    Pull(pull::Options),
    /// Say whether a server and its store answer.
    Healthcheck(healthcheck::Options),
    /// Print a UserSig.
    Usersig(usersig::Make),
    /// Say whether a UserSig is good, and if not which check fails and why.
    VerifyUsersig(usersig::Verify),
    /// Print a script that completes this command in a shell.
    Completions(manual::Completions),
    /// Print the manual page.
    Man,
}

/// Runs the command line of this process.
///
/// # Errors
/// What went wrong, in words for the person at the terminal.
pub fn run() -> anyhow::Result<std::process::ExitCode> {
    match Arguments::parse().command {
        Task::Dev(options) => dev::run(&options),
        Task::Serve(options) => serve::run(&options),
        Task::CheckConfig(options) => serve::check(&options),
        Task::Export(options) => export::run(&options),
        Task::Import(options) => import::run(&options),
        Task::Pull(options) => pull::run(&options),
        Task::Healthcheck(options) => healthcheck::run(&options),
        Task::Usersig(options) => usersig::make(&options),
        Task::VerifyUsersig(options) => usersig::verify(&options),
        Task::Completions(options) => manual::completions(&options),
        Task::Man => manual::page(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
