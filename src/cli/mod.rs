//! The command line: one file per subcommand, and the code that several of them share.

mod advice;
mod app_option;
mod call;
mod caller;
mod changes;
mod closing;
mod connection;
mod connection_errors;
mod controls_token;
mod data;
mod dev;
mod dev_options;
mod dev_recent;
mod dev_values;
mod dev_webhook;
mod effects;
mod export;
mod files;
mod guarded_paths;
mod healthcheck;
mod history;
mod import;
mod input;
mod local_tls;
mod manual;
mod overrides;
mod place;
mod preflight;
mod pretty;
mod profile;
mod progress;
mod pull;
mod puller;
mod ready_file;
mod reference;
mod remote;
mod scratch;
mod seed;
mod serve;
mod service;
mod started;
mod terminal;
mod transfer;
mod undo;
mod usersig;
mod webhooks;
mod webhooks_stopped;

use std::{ffi::OsString, process::ExitCode};

use anyhow::anyhow;
use clap::{Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use rustix::fs::Mode;

use crate::{log, signals::Signals};

/// Conversation groups and marks, wire-compatible with Tencent Chat's v4/recentcontact.
#[derive(Debug, Parser)]
#[command(name = "confold", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: CliCommand,
}

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Start a server for development; it needs no configuration, account or network.
    Dev(Box<dev_options::Options>),
    /// Run a server with a configuration file.
    Serve(serve::Options),
    /// Check a configuration: print its effective settings with secrets masked, or all problems.
    CheckConfig(serve::Options),
    /// Export all data as lines of JSON.
    Export(export::Options),
    /// Import lines of JSON into a data directory or a running server, after checking all of them.
    Import(import::Options),
    /// Fetch groups, marks and recent conversations from a server with this API, such as Tencent's.
    Pull(pull::Options),
    /// Sign a call, send it and print the reply.
    Call(call::Options),
    /// Show what calls have changed for a user.
    History(history::Options),
    /// Undo what a call changed, or everything after a call.
    Undo(undo::Options),
    /// Check whether a server and its store are ready.
    Healthcheck(healthcheck::Options),
    /// Show and operate webhooks: those of an app of a running server, or those in a data directory.
    Webhooks(webhooks::Options),
    /// Print a UserSig.
    Usersig(usersig::Make),
    /// Check a UserSig, and explain which check fails and why.
    VerifyUsersig(usersig::Verify),
    /// Print a shell completion script.
    Completions(manual::Completions),
    /// Print the manual page.
    Man,
}

/// Runs the command line of this process. Errors are printed on standard error.
#[must_use]
pub fn run() -> ExitCode {
    // New files are private unless their mode is set explicitly.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let signals = match Signals::install(terminal::on_signal) {
        Ok(signals) => signals,
        Err(error) => {
            return terminal::exit_code(Err(anyhow!(error).context("cannot install the signal handlers")));
        }
    };
    let code = match parse(std::env::args_os()) {
        Ok(arguments) => terminal::exit_code(arguments.command.run(&signals)),
        Err(error) => {
            let words: Vec<String> =
                std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
            terminal::usage_exit_code(&advice::with_advice(error, &command(), &words))
        }
    };
    log::finish();
    code
}

/// Builds the complete command line, with examples in the help and validation of paths.
fn command() -> Command {
    guarded_paths::guarded(reference::with_examples(Arguments::command()))
}

/// Parses a command line.
fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Arguments, clap::Error> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(words)?;
    Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

impl CliCommand {
    fn run(&self, signals: &Signals) -> anyhow::Result<ExitCode> {
        match self {
            CliCommand::Dev(options) => dev::run(options, signals),
            CliCommand::Serve(options) => serve::run(options, signals),
            CliCommand::CheckConfig(options) => serve::check(options),
            CliCommand::Export(options) => export::run(options, signals),
            CliCommand::Import(options) => import::run(options, signals),
            CliCommand::Pull(options) => pull::run(options, signals),
            CliCommand::Call(options) => Ok(call::run(options)),
            CliCommand::History(options) => Ok(history::run(options)),
            CliCommand::Undo(options) => Ok(undo::run(options)),
            CliCommand::Healthcheck(options) => healthcheck::run(options),
            CliCommand::Webhooks(options) => webhooks::run(options),
            CliCommand::Usersig(options) => usersig::make(options),
            CliCommand::VerifyUsersig(options) => usersig::verify(options),
            CliCommand::Completions(options) => manual::completions(options),
            CliCommand::Man => manual::page(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::{CommandFactory, error::ErrorKind};

    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }

    #[test]
    fn every_option_that_takes_a_path_refuses_probable_mistakes() {
        let mut options = 0;
        for task in super::Arguments::command().get_subcommands() {
            for option in task.get_arguments() {
                let takes = option.get_value_names().unwrap_or_default();
                if !takes.iter().any(|name| ["FILE", "DIR"].contains(&name.as_str())) {
                    continue;
                }
                options += 1;
                for bad in ["", "~/x", "$HOME/x", "/x\n"] {
                    let mut words = vec!["confold".to_owned(), task.get_name().to_owned()];
                    words.extend(option.get_long().map(|long| format!("--{long}")));
                    words.push(bad.to_owned());
                    let refused = super::parse(words.iter().map(Into::into)).unwrap_err();
                    assert_eq!(refused.kind(), ErrorKind::ValueValidation, "{words:?}: {refused}");
                    let said = refused.to_string();
                    assert!(
                        option.get_long().is_some_and(|long| said.contains(long)) || said.contains("<FILE>"),
                        "{said}"
                    );
                }
            }
        }
        assert!(options > 15, "{options} options take a path");
    }

    #[test]
    fn every_option_that_takes_a_number_explains_what_it_accepts() {
        let mut options = 0;
        for task in super::Arguments::command().get_subcommands() {
            for option in task.get_arguments() {
                let takes = option.get_value_names().unwrap_or_default();
                if !takes.iter().any(|name| name.contains("NUMBER") || *name == "SECONDS") {
                    continue;
                }
                options += 1;
                for bad in ["x", "-1", "1.5", "99999999999999999999"] {
                    let given = format!("--{}={bad}", option.get_long().unwrap());
                    let words = ["confold", task.get_name(), given.as_str()];
                    let refused = super::parse(words.iter().map(Into::into)).unwrap_err();
                    assert_eq!(refused.kind(), ErrorKind::ValueValidation, "{words:?}: {refused}");
                    let said = refused.to_string();
                    assert!(
                        said.contains("number") && !said.contains("digit") && !said.contains("..="),
                        "{said}"
                    );
                }
            }
        }
        assert!(options >= 4, "{options} options take a number");
    }

    /// The options that only `dev` has: those for test data and scripts, and settings of apps, which `serve` takes from its
    /// configuration file.
    const OF_DEV: &[&str] = &[
        "help",
        "seed",
        "empty",
        "export-on-exit",
        "ready-file",
        "app",
        "directory",
        "edition",
        "messages",
        "profile",
        "page-size",
        "extensions",
        "webhook",
        "webhook-secret-file",
    ];

    #[test]
    fn dev_and_serve_use_the_same_option_names() {
        let command = super::command();
        let names = |task: &str, long: &str| -> Option<BTreeSet<String>> {
            let task = command.find_subcommand(task).unwrap();
            let flag = task.get_arguments().find(|argument| argument.get_long() == Some(long))?;
            Some(flag.get_all_aliases().unwrap_or_default().iter().map(ToString::to_string).collect())
        };
        let dev = command.find_subcommand("dev").unwrap();
        let mut shared = 0;
        for long in dev.get_arguments().filter_map(|argument| argument.get_long()) {
            match names("serve", long) {
                Some(others) => {
                    assert_eq!(names("dev", long).unwrap(), others, "--{long}");
                    shared += 1;
                }
                None => assert!(OF_DEV.contains(&long), "serve has no --{long}"),
            }
        }
        assert!(shared >= super::overrides::OTHER_NAMES.len() + 3);
        for (key, _) in super::overrides::OTHER_NAMES {
            assert!(names("dev", &key.replace(['.', '_'], "-")).is_some(), "{key}");
        }
        let app_keys: BTreeSet<&str> = crate::config::app_keys().iter().map(|key| key.name).collect();
        for setting in ["directory", "edition", "messages", "profile", "page-size"] {
            assert!(app_keys.contains(setting.replace('-', "_").as_str()), "{setting}");
        }
    }
}
