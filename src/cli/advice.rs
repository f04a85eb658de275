//! Suggestions for unknown options: confold's names for options that other programs call differently.

use clap::{
    Command,
    builder::StyledStr,
    error::{ContextKind, ContextValue, Error, ErrorKind},
};

/// Names of options in other programs, the option of confold with that meaning, and what to suggest. The first entry whose
/// option the subcommand has is used.
const OTHER_PROGRAMS: &[(&[&str], &str, &str)] = &[
    (&["port", "p", "http-port"], "listen", "--listen 127.0.0.1:{port}"),
    (&["port", "p", "http-port"], "url", "--url http://127.0.0.1:{port}"),
    (&["https-port", "tls-port", "tls", "https", "ssl"], "tls-listen", "--tls-listen 127.0.0.1:{port}"),
    (&["host", "bind", "address", "addr", "ip", "b"], "listen", "--listen {host}:8080"),
    (&["host", "address", "addr", "server", "endpoint", "base-url"], "url", "--url http://{host}:8080"),
    (&["config-file", "conf", "cfg", "configuration", "c", "f"], "config", "--config {value}"),
    (
        &["config", "config-file", "conf", "c", "f"],
        "seed",
        "the options of this command; only confold serve reads a file: confold serve --config {value}",
    ),
    (
        &["key", "k", "secret", "secret-key", "app-key", "secretkey"],
        "key-file",
        "--key-file FILE, --app ID:KEY, or the variable CONFOLD_KEY",
    ),
    (
        &["key", "k", "secret", "secret-key", "app-key", "secretkey", "key-file"],
        "app",
        "--app ID:KEY[:ADMIN]",
    ),
    (
        &["key", "secret", "secret-key", "app", "key-file"],
        "config",
        "a table [[app]] in the configuration file, with key_file",
    ),
    (&["sdkappid", "sdk-app-id", "app-id", "appid"], "app", "--app {value}"),
    (&["admin", "administrator", "user", "identifier"], "admin", "--admin {value}"),
    (&["admin", "administrator", "user", "identifier"], "app", "--app ID:KEY:{value}"),
    (&["dir", "data-dir", "data-directory", "db", "database", "storage", "d"], "data", "--data {value}"),
    (
        &["dir", "data-dir", "data-directory", "db", "database", "storage", "d"],
        "store-directory",
        "--store-directory {value}",
    ),
    (&["cert", "tls-cert", "certificate", "cert-file"], "tls-certificate", "--tls-certificate {value}"),
    (&["cacert", "ca-cert", "ca-file", "ca-certificate", "insecure", "k"], "ca", "--ca FILE"),
    (&["verbose", "v", "vv", "debug"], "log-level", "--log-level debug"),
    (&["quiet", "q", "silent"], "log-level", "--log-level error"),
    (&["json", "log-json"], "log-format", "--log-format json"),
    (&["out", "file", "to"], "output", "--output {value}"),
    (&["dry", "check", "n"], "dry-run", "--dry-run"),
    (&["data", "body", "json", "d"], "raw", "the second argument for the body: '{{…}}', @FILE or -"),
    (
        &["directory", "edition", "profile", "page-size", "membership"],
        "config",
        "the key of that name in the app's table [[app]] of the configuration file",
    ),
    (
        &["seed", "empty", "ready-file", "export-on-exit"],
        "config",
        "confold dev, the only command with this option",
    ),
    (&["no-seed", "no-data", "clean", "blank"], "empty", "--empty"),
];

/// Adds a suggestion to the error about an unknown option. `words` is the command line.
pub(super) fn with_advice(mut error: Error, command: &Command, words: &[String]) -> Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else { return error };
    let option = option.clone();
    let mut command = command.clone();
    command.build();
    let named = words.iter().skip(1).find(|word| command.find_subcommand(word).is_some());
    let Some(task) = named.and_then(|word| command.find_subcommand_mut(word)) else { return error };
    let Some(cure) = cure(task, &option, words) else { return error };
    // Replace clap's own suggestion, which is based only on similar spelling.
    error.remove(ContextKind::SuggestedArg);
    error.insert(ContextKind::Usage, ContextValue::StyledStr(task.render_usage()));
    let tip = StyledStr::from(format!("use {cure}"));
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    error
}

fn cure(task: &Command, option: &str, words: &[String]) -> Option<String> {
    let (written, joined) = match option.split_once('=') {
        Some((option, value)) => (option, Some(value)),
        None => (option, None),
    };
    let name = written.trim_start_matches('-').replace('_', "-").to_ascii_lowercase();
    let knows = |known: &str| {
        task.get_arguments().any(|argument| {
            argument.get_long() == Some(known)
                || argument.get_all_aliases().is_some_and(|aliases| aliases.contains(&known))
        })
    };
    let value = joined.or_else(|| value_of(written, words)).filter(|value| is_safe_to_repeat(value));
    // The option exists, and only its spelling differs (underscores or capitals).
    if knows(&name) {
        return Some(format!("--{name}"));
    }
    let (_, _, cure) =
        OTHER_PROGRAMS.iter().find(|(names, known, _)| names.contains(&name.as_str()) && knows(known))?;
    let port = value.filter(|value| value.parse::<u16>().is_ok()).unwrap_or("PORT");
    let host = value.unwrap_or("127.0.0.1");
    let shown = value.unwrap_or("VALUE");
    Some(
        cure.replace("{port}", port)
            .replace("{host}", host)
            .replace("{value}", shown)
            .replace("{{", "{")
            .replace("}}", "}"),
    )
}

/// Finds the value given to an option.
fn value_of<'a>(option: &str, words: &'a [String]) -> Option<&'a str> {
    let at = words.iter().position(|word| word.split('=').next() == Some(option))?;
    match words[at].split_once('=') {
        Some((_, value)) => Some(value),
        None => words.get(at + 1).map(String::as_str).filter(|value| !value.starts_with('-')),
    }
}

/// Returns whether a value can be repeated in a suggestion: a short word that is not a key and has no special meaning
/// in a shell.
fn is_safe_to_repeat(value: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    !value.is_empty() && value.len() <= 24 && value.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_not_repeated() {
        let key = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";
        assert!(
            !is_safe_to_repeat(key)
                && !is_safe_to_repeat("$(x)")
                && is_safe_to_repeat("9000")
                && is_safe_to_repeat("/etc/confold.toml")
        );
    }
}
