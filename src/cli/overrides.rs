//! The flags that override configuration keys, generated from the table of keys, and their aliases.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, error::Error};

use crate::config::server_keys;

/// Aliases of flags, in `dev` and `serve` alike. They are shorter than the names of the keys, or older than the rule that
/// flags are named after them.
pub(super) const OTHER_NAMES: &[(&str, &[&str])] = &[
    ("store.directory", &["data"]),
    ("allowed_hosts", &["allow-host"]),
    ("limits.rate_limit", &["rate-limit"]),
    ("limits.strict", &["strict"]),
    ("metrics.enabled", &["metrics"]),
    ("traces.endpoint", &["traces"]),
    ("controls.token_file", &["dev-token-file"]),
    ("log.format", &["log"]),
];

/// The values of the flags given, with the names of their keys.
#[derive(Clone, Debug)]
pub(super) struct Overrides(pub(super) Vec<(&'static str, String)>);

impl FromArgMatches for Overrides {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Overrides, Error> {
        let given = |name| {
            let values: Vec<String> = matches.get_many(name)?.cloned().collect();
            // A list may be given as one value or as several flags.
            Some((name, values.join(",")))
        };
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
            let mut flag = Arg::new(key.name)
                .long(key.flag())
                .value_name("VALUE")
                .action(if key.is_list() { ArgAction::Append } else { ArgAction::Set })
                .help(format!("{} Takes {}{default}", key.about(), key.takes()))
                .help_heading("Settings (override environment and file)");
            if key.is_switch() {
                flag = flag.num_args(0..=1).default_missing_value("true");
            }
            for (_, names) in OTHER_NAMES.iter().filter(|(name, _)| *name == key.name) {
                // The tools have `--data`, too, so show this alias in the help.
                flag = if *names == ["data"] { flag.visible_alias("data") } else { flag.aliases(*names) };
            }
            command.arg(flag)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Overrides::augment_args(command)
    }
}
