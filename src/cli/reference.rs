//! The examples, exit statuses, environment variables and files that the help and the manual page list.

use clap::Command;

use super::service::{ITEMS_REFUSED, NO_ANSWER};
use crate::config::{environment_name, server_keys};

/// For each subcommand, examples of its use: a description and the command line.
pub(super) const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "dev",
        &[
            ("An emulator on this machine:", "confold dev"),
            ("On a free port, for a test:", "confold dev --listen 127.0.0.1:0 --ready-file ready"),
            ("With persistent data and your own app:", "confold dev --data data --app 1400000001:our-key"),
        ],
    ),
    (
        "serve",
        &[
            ("A production server:", "confold serve --config /etc/confold/confold.toml"),
            (
                "With a different address from the one in the file:",
                "confold serve --config confold.toml --listen 127.0.0.1:9000",
            ),
        ],
    ),
    (
        "check-config",
        &[("Check a file and print the effective settings:", "confold check-config --config confold.toml")],
    ),
    (
        "export",
        &[
            ("All data of a stopped server:", "confold export --data data --output all.ndjson"),
            (
                "One app of a running server:",
                "confold export --url http://127.0.0.1:8080 --app 1400000000 --key-file key --output app.ndjson",
            ),
        ],
    ),
    (
        "import",
        &[
            ("Only check all lines:", "confold import all.ndjson --data data --dry-run"),
            (
                "Into a running server:",
                "confold import all.ndjson --url http://127.0.0.1:8080 --app 1400000000 --key-file key",
            ),
        ],
    ),
    (
        "pull",
        &[(
            "From Tencent's service into a file:",
            "confold pull --url https://console.tim.qq.com --app 1400000000 --key-file key --users users.txt --output all.ndjson",
        )],
    ),
    (
        "call",
        &[
            (
                "The first page of a user, from confold dev:",
                "confold call get_contact_group '{\"From_Account\":\"user0\",\"StartIndex\":0}'",
            ),
            (
                "What a call would do, without doing it:",
                "confold call del_contact_group '{\"From_Account\":\"user0\",\"GroupName\":[\"test10\"]}' --dry-run",
            ),
            (
                "With a body from a file and your own app:",
                "confold call im_open_login_svc/account_import @account.json --url https://chat.example.org --app 1400000001 --key-file key",
            ),
        ],
    ),
    (
        "webhooks",
        &[
            (
                "How the webhooks of an app are:",
                "confold webhooks list --url http://127.0.0.1:8080 --app 1400000000 --key-file key",
            ),
            (
                "Whether a receiver takes messages:",
                "confold webhooks test crm --url http://127.0.0.1:8080 --app 1400000000 --key-file key",
            ),
            (
                "Switch a webhook on while the server is stopped:",
                "confold webhooks enable crm --data /var/lib/confold --app 1400000000",
            ),
        ],
    ),
    (
        "history",
        &[
            ("What was changed for a user of confold dev:", "confold history --user user0"),
            (
                "As lines of JSON, from your own app:",
                "confold history --user user0 --json --limit 1000 --url https://chat.example.org --app 1400000001 --key-file key",
            ),
        ],
    ),
    (
        "undo",
        &[
            ("Undo one event of the history:", "confold undo --user user0 --change 5b1fa02c7d34e8962a"),
            (
                "What undoing everything after an event would do:",
                "confold undo --user user0 --since 5b1fa02c7d34e8962a --dry-run",
            ),
        ],
    ),
    ("healthcheck", &[("Whether a server is ready:", "confold healthcheck --url http://127.0.0.1:8080")]),
    (
        "usersig",
        &[(
            "A signature that is valid for a day:",
            "confold usersig --app 1400000000 --key-file key --identifier administrator --expire 86400",
        )],
    ),
    (
        "verify-usersig",
        &[(
            "Why a signature is refused:",
            "confold verify-usersig --app 1400000000 --key-file key eJwtjs0KwjAQhN8l",
        )],
    ),
    ("completions", &[("For bash:", "confold completions bash")]),
    ("man", &[("Read it:", "confold man | man -l -")]),
];

/// The exit statuses and their meanings.
pub(super) const STATUSES: &[(u8, &str)] = &[
    (
        0,
        "Success. For call: the service accepted the call and all of its items. For undo: everything was reverted. For healthcheck: the server is ready.",
    ),
    (
        1,
        "Failure; standard error explains it. For call, history and undo: the service refused the call (ErrorCode is not 0), or \
         made it although --dry-run was given. For check-config: \
         the configuration has problems. For pull: some users were refused. For healthcheck: the server is not ready, or \
         cannot be reached. For verify-usersig: the signature is not valid.",
    ),
    (
        2,
        "The command line is invalid. For call, history and undo also: a key or the body cannot be read, or the command does \
         not exist; nothing was sent.",
    ),
    (
        ITEMS_REFUSED,
        "For call: the service accepted the call, but refused some of its items. For undo: some fields stay as they are; \
         standard output names them.",
    ),
    (
        NO_ANSWER,
        "For call, history and undo: no reply – the server cannot be reached, did not answer in time, or does not have this API.",
    ),
    (
        129,
        "SIGHUP ended the command because its terminal was closed. The status is 128 plus the signal number.",
    ),
    (
        130,
        "SIGINT (Ctrl-C) ended the command. The first one stops dev and serve gracefully, with status 0; a second one ends \
         them immediately, with this status.",
    ),
    (143, "SIGTERM ended the command. dev and serve handle it like SIGINT."),
];

/// Environment variables other than those of configuration keys.
const VARIABLES: &[(&str, &str)] = &[
    (
        "CONFOLD_KEY",
        "The key of the app, for every command that signs, if --app and --key-file do not give one.",
    ),
    ("NO_COLOR", "If it is not empty, output is not coloured."),
    (
        "CLICOLOR_FORCE",
        "If it is neither empty nor 0, the log and messages are coloured even when they are not written to a terminal.",
    ),
    ("TERM", "If it is dumb, output is not coloured, and progress is shown as plain lines."),
    (
        "LC_ALL, LC_CTYPE, LANG",
        "The first that is set is the locale. If it does not use UTF-8, progress bars are drawn in ASCII.",
    ),
    (
        "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY",
        "The proxy for connections to other servers; connections to this machine never use one.",
    ),
    (
        "XDG_DATA_HOME, HOME",
        "Where dev --tls-listen keeps its local certificate authority: confold/ca below XDG_DATA_HOME, or .local/share/confold/ca below HOME.",
    ),
    (
        "TMPDIR",
        "The folder for temporary data: the store of dev without --data, and input that import reads from a pipe.",
    ),
];

/// The files that confold reads or creates.
pub(super) const FILES: &[(&str, &str)] = &[
    ("confold.toml", "The configuration of serve, given by --config; docs/configuration.md lists its keys."),
    (
        "confold.db, confold.db-wal, confold.db-shm, lock",
        "The store, in the directory given by --store-directory, --data or store.directory. Always copy or move them together.",
    ),
    ("ca.pem", "The certificate of the local authority of dev --tls-listen, in the same directory."),
    (
        "~/.local/share/confold/ca",
        "The local certificate authority with its key, which must stay on this machine; in XDG_DATA_HOME/confold/ca if that is set.",
    ),
    (
        "the file of --ready-file",
        "Exists while dev is ready. Its first line is the address for plain HTTP, its second line the one for TLS, if there is one.",
    ),
];

/// Returns all environment variables with their descriptions.
pub(super) fn variables() -> Vec<(String, String)> {
    let of_keys = server_keys().iter().map(|key| {
        (
            environment_name(key.name),
            format!(
                "The setting {} of serve; it overrides the file, and the flag --{} overrides it.",
                key.name,
                key.flag()
            ),
        )
    });
    VARIABLES.iter().map(|(name, what)| ((*name).to_owned(), (*what).to_owned())).chain(of_keys).collect()
}

/// Adds the examples to the help of each subcommand.
pub(super) fn with_examples(command: Command) -> Command {
    let command = command.after_help(
        "To get started:\n  confold dev\nThe help of each command has examples, such as confold dev --help. confold man prints the \
         manual page, with exit statuses, environment variables and files.",
    );
    EXAMPLES.iter().fold(command, |command, (task, examples)| {
        let text = examples.iter().fold(format!("{}:", heading(examples.len())), |text, (what, line)| {
            text + &format!("\n  {what}\n    {line}")
        });
        command.mut_subcommand(task, |task| task.after_help(text))
    })
}

fn heading(examples: usize) -> &'static str {
    if examples == 1 { "Example" } else { "Examples" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::TerminationSignal;

    /// Splits a command line into words as a shell does.
    fn words(line: &str) -> Vec<String> {
        let line = line.split(" | ").next().unwrap();
        let (mut words, mut is_quoted) = (vec![String::new()], false);
        for c in line.chars() {
            match c {
                '\'' => is_quoted = !is_quoted,
                ' ' if !is_quoted => words.push(String::new()),
                c => words.last_mut().unwrap().push(c),
            }
        }
        words
    }

    #[test]
    fn the_status_of_every_signal_that_ends_a_command_is_listed() {
        for ending in [TerminationSignal::Hangup, TerminationSignal::Interrupt, TerminationSignal::Terminate]
        {
            assert!(STATUSES.iter().any(|(status, _)| i32::from(*status) == ending.status()), "{ending:?}");
        }
    }

    #[test]
    fn every_subcommand_has_examples_that_parse() {
        let command = crate::cli::command();
        for task in command.get_subcommands().map(Command::get_name).filter(|name| *name != "help") {
            let (_, examples) =
                EXAMPLES.iter().find(|(name, _)| *name == task).unwrap_or_else(|| panic!("{task}"));
            for (_, line) in *examples {
                let found = command.clone().try_get_matches_from(words(line));
                assert!(
                    found.as_ref().is_ok_and(|found| found.subcommand_name() == Some(task)),
                    "{line}: {found:?}"
                );
            }
        }
    }
}
