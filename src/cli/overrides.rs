//! A flag for every key of the configuration, made from the table of keys.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, error::Error};

use crate::config::server_keys;

/// The flags that were given, by the names of their keys.
#[derive(Clone, Debug)]
pub(super) struct Overrides(pub(super) Vec<(&'static str, String)>);

impl FromArgMatches for Overrides {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Overrides, Error> {
        let given = |name| Some((name, matches.get_one::<String>(name)?.clone()));
        Ok(Overrides(server_keys().iter().filter_map(|key| given(key.name)).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Overrides::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Overrides {
    fn augment_args(command: Command) -> Command {
        server_keys().iter().fold(command, |command, key| {
            let default = match key.default() {
                "" => String::new(),
                default => format!(" [default: {default}]"),
            };
            command.arg(
                Arg::new(key.name)
                    .long(key.flag())
                    .value_name("VALUE")
                    .action(ArgAction::Set)
                    .help(format!("{} Takes {}{default}", key.about(), key.takes()))
                    .help_heading("Settings, which win over environment and file"),
            )
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Overrides::augment_args(command)
    }
}
