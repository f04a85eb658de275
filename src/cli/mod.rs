//! The command line.

mod app_option;
mod dev;
mod log;
mod seed;
mod usersig;

use clap::{Parser, Subcommand};

/// Conversation groups and marks, wire-compatible with Tencent Chat's v4/recentcontact.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Start a server for development: no configuration, no account, no network needed.
    Dev(dev::Options),
    /// Print a UserSig.
    Usersig(usersig::Make),
    /// Say whether a UserSig is good, and if not which check fails and why.
    VerifyUsersig(usersig::Verify),
}

/// Runs the command line of this process.
///
/// # Errors
/// What went wrong, in words for the person at the terminal.
pub fn run() -> anyhow::Result<std::process::ExitCode> {
    match Arguments::parse().command {
        Task::Dev(options) => dev::run(&options),
        Task::Usersig(options) => Ok(usersig::make(&options)),
        Task::VerifyUsersig(options) => Ok(usersig::verify(&options)),
    }
}
