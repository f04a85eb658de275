//! The texts made from the table of keys: the reference for people, and the annotated example.

use std::fmt::Write;

use super::{
    Loaded, Origin, Setting, app_keys, environment_name,
    key::{Given, Key},
    server_keys,
};

const WRITTEN: &str = "writing to a text cannot fail";

/// `docs/configuration.md`.
#[must_use]
pub fn reference() -> String {
    let mut text = "\
# Configuration

`confold serve --config confold.toml` runs a server for a company; `confold check-config --config confold.toml` says what
it would run, secrets masked, or everything that is wrong, and fails then. This page is made from the code.

A key of the server can be given in three ways; **flags win over the environment, and the environment over the file**. A
list in a flag or variable is separated by commas. An app's settings are in the file only; its key may be in a file of its
own or in a variable.

Relative paths in the file are seen from the folder of the file. A path is taken as it is written: `~`, `$HOME` and `%VAR%`
are replaced by shells only, so a path with one of them is refused, and so is an empty or blank one. A variable or flag
that is set to nothing is refused by name, because it is most often one that was never filled in; a list that is to be
empty is written `[]` there.

A key is one word of ASCII characters, wherever it comes from; a blank, a carriage return or a quotation mark in it is
refused. Files are UTF-8; a byte order mark is passed over, UTF-16 is refused.

Secret files – `key_file`, `previous_key_file`, `tls.key`, `controls.token_file`, and the configuration itself when it holds
a `key` – are refused when every user of the machine can read or change them. **Secrets of a container** are often mounted
with mode 0444: on a file system that is mounted read-only, as Kubernetes and Docker mount them, they are accepted as they
are. Where they are not mounted read-only and their mode cannot be changed, set `allow_readable_key_files = true`.

`[::]:8080` is every address of the machine, those of IPv4 included. Together with an address of IPv4 of the same port, such
as `0.0.0.0:8080`, it is every address of IPv6.

`confold check-config` changes nothing. It fails when the store folder could not be made or written. That the store or an
address is in use now is only a note: the server that runs already is the most common cause.

**SIGHUP** reads the file again: apps, administrators, keys and their settings change at once, for remembered signatures
too, and no call is dropped. The settings of the server itself take effect at the next start; the log names those that have
changed. The files of `tls.certificate` and `tls.key` are read again within a second when they change.

When something is wrong with the file, the server says so in its log and takes it over in one direction only: **what it takes
away is applied, what it adds is not**. Administrators and apps that are no longer in it are out, and so is a key that was
removed. A key that was replaced stops working, and the new one is used in its place – unless the file has it as
`previous_key`, which stays as far as that key was accepted before. `denied`, `disabled`,
`closed_services`, narrower `allowed_sources` and an earlier `plan_until` take effect. Everything else stays as it was until
the file is right. The running value stays, too, where a value cannot be read, or where a key is missing while the
same table has an unknown one, which may be its misspelling. Apps are removed only if no other table could be one of them, and never by a file
without any app. A file that is missing or is not TOML changes nothing. To take a right away for certain, look for
`the apps were read again` in the log.

A certificate is checked as at a start: its key may not be readable by others, and the two have to belong together. One that
has expired, or is not valid yet, is used at a start with a warning, because there is nothing else to use. It never replaces
a valid one.
One that becomes valid later is used when its time has come.

With `metrics.enabled`, `confold_reloads_total` counts reloads of the apps and of the certificate, `confold_reload_refused` is 1 while something older than the file
is in use, and `confold_certificate_not_after_timestamp_seconds` says when the certificate expires;
[deploy/alerts.yml](../deploy/alerts.yml) warns of a refused file, and 14 and 3 days before the end.

## To begin with

```sh
install -m 755 target/release/confold /usr/local/bin/
useradd --system --shell /usr/sbin/nologin confold
mkdir -p /etc/confold
(umask 077; echo THE_KEY_OF_THE_APP > /etc/confold/1400000000.key)      # of at least 32 characters: openssl rand -hex 32

# A certificate of one's own, where there is no other; clients get cert.pem to trust it.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj /CN=chat.example.org \\
    -addext subjectAltName=DNS:chat.example.org -addext basicConstraints=critical,CA:FALSE \\
    -keyout /etc/confold/key.pem -out /etc/confold/cert.pem
```

[deploy/confold.service](../deploy/confold.service) is a unit for systemd with a store of its own and no rights beyond those of
an ordinary program. It expects `/etc/confold/confold.toml` with `store.directory = \"/var/lib/confold\"`:

```sh
chown confold /etc/confold/*.key /etc/confold/key.pem
confold check-config --config /etc/confold/confold.toml
cp deploy/confold.service /etc/systemd/system/ && systemctl enable --now confold
```

The owner and the group of a key file may read it, others may not. Keys that `confold dev` publishes are refused, and keys under
32 characters are warned of.

The files of the store are always private to the user who runs the server, and so is a folder that the server makes. A
folder that was there keeps its mode, and the log warns when other users can enter it. `confold export --url …` writes all of an app while the server runs, and
that is a backup; with the server stopped, a copy of the folder is one too.

| what goes wrong | why |
|---|---|
| curl: `wrong version number`; `corrupt message of type InvalidContentType` | `https://` to the port of plain HTTP |
| `this port speaks TLS` | `http://` to the port of TLS |
| `unable to get local issuer certificate`, `UNABLE_TO_VERIFY_LEAF_SIGNATURE`, `UnknownIssuer` | the client does not know the authority: [clients.md](clients.md) |
| 70009 | the signature was made with another key than the server has for the app |
| 50001 | the user was not imported: `v4/im_open_login_svc/account_import`, or the app's `directory = \"open\"` |

## The server

| key | takes | default | flag | variable |
|---|---|---|---|---|
"
    .to_owned();
    for key in server_keys() {
        writeln!(
            text,
            "| `{}` | {} | {} | `--{}` | `{}` |",
            key.name,
            cell(&key.kind.describe()),
            default(key),
            key.flag(),
            environment_name(key.name)
        )
        .expect(WRITTEN);
    }
    text.push('\n');
    for key in server_keys() {
        writeln!(text, "- `{}` – {}", key.name, key.about).expect(WRITTEN);
    }
    text.push_str("\n## An app: `[[app]]`\n\n| key | takes | default | meaning |\n|---|---|---|---|\n");
    for key in app_keys() {
        writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            key.name,
            cell(&key.kind.describe()),
            default(key),
            key.about
        )
        .expect(WRITTEN);
    }
    text.push_str(
        "\nOne of `key`, `key_file` and `key_env`; without any, no signature of the app can be verified (70016). The same holds \
         for `previous_key`, `previous_key_file` and `previous_key_env`, which need `previous_key_until`.\n",
    );
    text
}

/// `docs/confold.example.toml`.
#[must_use]
pub fn example() -> String {
    let mut text = "\
# A configuration of confold with every key. What is commented out has the value shown by default, or none.
# Check it with: CONFOLD_APP_KEY=secret confold check-config --config confold.example.toml

"
    .to_owned();
    let mut section = "";
    for key in server_keys() {
        let (of, name) = key.name.split_once('.').unwrap_or(("", key.name));
        if of != section {
            section = of;
            writeln!(text, "[{section}]\n").expect(WRITTEN);
        }
        entry(&mut text, name, key, if key.name == "store.directory" { Some("\"data\"") } else { None });
    }
    text.push_str("# One of these tables for each app.\n[[app]]\n\n");
    for key in app_keys() {
        let shown = match key.name {
            "id" => Some("1400000000"),
            "key_env" => Some("\"CONFOLD_APP_KEY\""),
            _ => None,
        };
        entry(&mut text, key.name, key, shown);
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// The effective configuration, as TOML, each value with where it comes from.
pub(super) fn effective(loaded: &Loaded) -> String {
    let mut text = String::new();
    let mut section = "";
    for setting in &loaded.settings {
        let (of, name) = setting.name.split_once('.').unwrap_or(("", setting.name));
        if of != section {
            section = of;
            writeln!(text, "\n[{section}]").expect(WRITTEN);
        }
        line(&mut text, name, setting);
    }
    for app in &loaded.apps {
        text.push_str("\n[[app]]\n");
        for setting in app {
            line(&mut text, setting.name, setting);
        }
    }
    text
}

fn line(text: &mut String, name: &str, setting: &Setting) {
    let origin = match setting.origin {
        Origin::Default => "default",
        Origin::File => "file",
        Origin::Environment => "environment",
        Origin::Flag => "flag",
    };
    match setting.value.as_str() {
        "" => writeln!(text, "# {name} is not set"),
        value => writeln!(text, "{name} = {value}  # {origin}"),
    }
    .expect(WRITTEN);
}

fn entry<T>(text: &mut String, name: &str, key: &Key<T>, shown: Option<&str>) {
    let value = match (shown, key.default) {
        (Some(shown), _) => format!("{name} = {shown}"),
        (None, "") => format!("# {name} ="),
        (None, default) => {
            let read = key.kind.read(&Given::Text(default), std::path::Path::new(""));
            format!("# {name} = {}", key.kind.display(&read.expect("a default is a value of its key")))
        }
    };
    writeln!(text, "# {}\n# Takes: {}.\n{value}\n", key.about, key.kind.describe()).expect(WRITTEN);
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn default<T>(key: &Key<T>) -> String {
    match key.default {
        "" => String::new(),
        default => format!("`{default}`"),
    }
}
