//! What the help and the manual page say beside the options: examples, statuses, variables, files. Both are made from
//! these tables.

use clap::Command;

use super::call::{ITEMS_REFUSED, NO_ANSWER};
use crate::config::{environment_name, server_keys};

/// Each task, and how it is used: what for, and the line.
pub(super) const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "dev",
        &[
            ("An emulator on this machine:", "confold dev"),
            ("On a free port, for a test:", "confold dev --listen 127.0.0.1:0 --ready-file ready"),
            (
                "One that keeps its data, with an app of one's own:",
                "confold dev --data data --app 1400000001:our-key",
            ),
        ],
    ),
    (
        "serve",
        &[
            ("A server for a company:", "confold serve --config /etc/confold/confold.toml"),
            (
                "With another address than in the file:",
                "confold serve --config confold.toml --listen 127.0.0.1:9000",
            ),
        ],
    ),
    (
        "check-config",
        &[("What is wrong with a file, or what it would run:", "confold check-config --config confold.toml")],
    ),
    (
        "export",
        &[
            ("Everything of a stopped server:", "confold export --data data --output all.ndjson"),
            (
                "An app of a running one:",
                "confold export --url http://127.0.0.1:8080 --app 1400000000 --key-file key --output app.ndjson",
            ),
        ],
    ),
    (
        "import",
        &[
            ("Only look whether all lines are good:", "confold import all.ndjson --data data --dry-run"),
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
                "A body from a file, an app of one's own:",
                "confold call im_open_login_svc/account_import @account.json --url https://chat.example.org --app 1400000001 --key-file key",
            ),
        ],
    ),
    ("healthcheck", &[("Whether a server is ready:", "confold healthcheck --url http://127.0.0.1:8080")]),
    (
        "usersig",
        &[(
            "A signature for a day:",
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

/// What the status of a process says.
pub(super) const STATUSES: &[(u8, &str)] = &[
    (
        0,
        "The task was done. For call: the service took the call and every item of it. For healthcheck: the server is ready.",
    ),
    (
        1,
        "The task failed, and standard error says why. For call: the service refused the call (ErrorCode is not 0). For \
         check-config: something is wrong with the configuration. For pull: some users were refused. For healthcheck: the server \
         is not ready, or cannot be reached. For verify-usersig: the signature is refused.",
    ),
    (
        2,
        "The command line was not understood. For call also: a key or a body cannot be read, or there is no such command; \
         nothing was sent.",
    ),
    (ITEMS_REFUSED, "Only call: the service took the call, but refused some of its items."),
    (
        NO_ANSWER,
        "Only call: no reply came – the server cannot be reached, did not answer in time, or is something else.",
    ),
    (129, "SIGHUP ended the command, because its terminal went away: 128 and the number of the signal."),
    (
        130,
        "SIGINT (Ctrl-C) ended the command. dev and serve stop in order at the first one, with 0; a second one ends them at once, \
         with this status.",
    ),
    (143, "SIGTERM ended the command; dev and serve as with SIGINT."),
];

/// The variables beside those of the configuration.
const VARIABLES: &[(&str, &str)] = &[
    ("CONFOLD_KEY", "The key of the app that --app names without one, for every task that signs."),
    ("NO_COLOR", "If it is not empty, nothing is coloured."),
    (
        "CLICOLOR_FORCE",
        "If it is neither empty nor 0, the log and messages are coloured even if they do not go to a terminal.",
    ),
    ("TERM", "With dumb nothing is coloured, and progress is shown as plain lines."),
    (
        "LC_ALL, LC_CTYPE, LANG",
        "The first that is set names the locale. If it is not one of UTF-8, bars are drawn in ASCII.",
    ),
    (
        "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY",
        "The proxy to other servers; this machine is never reached through one.",
    ),
    (
        "XDG_DATA_HOME, HOME",
        "Where dev --tls-listen keeps its local authority: confold/ca, or .local/share/confold/ca.",
    ),
    ("TMPDIR", "Where dev keeps what is gone at its end, and import what it reads from a pipe."),
];

/// The files that are read or made.
pub(super) const FILES: &[(&str, &str)] = &[
    (
        "confold.toml",
        "The configuration of serve, as --config names it; docs/configuration.md lists its keys.",
    ),
    (
        "confold.db, confold.db-wal, confold.db-shm, lock",
        "The store, in the directory that --store-directory, --data or store.directory names. They belong together.",
    ),
    ("ca.pem", "The certificate of the local authority of dev --tls-listen, in the same directory."),
    (
        "~/.local/share/confold/ca",
        "That authority with its key, which stays on this machine; below XDG_DATA_HOME if that is set.",
    ),
    (
        "the file of --ready-file",
        "While dev answers: the address of plain HTTP in the first line, and that of TLS in the second one, if there is one.",
    ),
];

/// All variables.
pub(super) fn variables() -> Vec<(String, String)> {
    let of_keys = server_keys().iter().map(|key| {
        (
            environment_name(key.name),
            format!(
                "The setting {} of serve, before the file and after the flag --{}.",
                key.name,
                key.flag()
            ),
        )
    });
    VARIABLES.iter().map(|(name, what)| ((*name).to_owned(), (*what).to_owned())).chain(of_keys).collect()
}

/// Puts the examples into the help of each task.
pub(super) fn with_examples(command: Command) -> Command {
    let command = command.after_help(
        "Begin with:\n  confold dev\nEach task has examples in its own help, such as confold dev --help; confold man prints all of it, \
         with the exit statuses, the variables and the files.",
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

    /// The words of a line, as a shell makes them of it.
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
    fn every_task_has_examples_that_are_understood() {
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
