//! Documents generated from the tables of keys: the reference and the annotated example.

use std::fmt::Write;

use super::{app_keys, callback_keys, environment_name, given::Given, key::Key, server_keys, webhook_keys};

const WRITTEN: &str = "writing to a string cannot fail";

/// Generates `docs/configuration.md`.
#[must_use]
pub fn reference() -> String {
    let mut text = "\
# Configuration

`confold serve --config confold.toml` runs a production server. `confold check-config --config confold.toml` checks its
configuration: it prints the effective settings with secrets masked, or reports all problems and fails. This page is
generated from the code.

The server's settings can be given in three ways: **flags override environment variables, which override the file**. In a
flag or variable, separate the items of a list by commas. The settings of apps are in the file only; an app's key may be in
a file of its own or in an environment variable.

Relative paths in the file are resolved against the file's folder. confold does not expand `~`, `$HOME` or `%VAR%` in
paths, so a path that contains one of them is refused, and so is an empty one. A variable or flag with an empty value
is refused, because it is usually a placeholder that was never filled in; write `[]` for an empty list.

A key must be a single word of ASCII characters; spaces, carriage returns and quotation marks are refused. Files must be
UTF-8, with or without a byte order mark.

Secret files – `key_file`, `previous_key_file`, `tls.key`, `controls.token_file`, and the configuration itself if it contains
a `key` – are refused if every user of the machine can read or change them. **Container secrets** are often mounted with
mode 0444. They are accepted on a file system that is mounted read-only, as Kubernetes and Docker do. If they are not mounted
read-only and their mode cannot be changed, set `allow_readable_key_files = true`.

`[::]:8080` means every address of the machine, including IPv4. If the list also has an IPv4 address with the same port, such as
`0.0.0.0:8080`, then `[::]:8080` means IPv6 addresses only.

`confold check-config` changes nothing and does not create the store folder, but it fails if the folder could not be created
or written. If the store or an address is in use, it only prints a note, because most often the running server uses them.

**SIGHUP** reloads the file. Apps, administrators, keys and their settings change immediately, also for callers whose
signature was verified before, and no call is dropped. Settings of the server itself take effect at the next startup;
the log names those that have changed. The files of `tls.certificate` and `tls.key` are checked for changes every
second, without a signal.

If a reloaded file has a mistake, the server logs it and applies only **changes that take rights away**.
Administrators, apps and keys that the file does not contain are removed. A key that was replaced stops working, and
the new one is used in its place – unless the file keeps the old one as `previous_key`. A key that was not accepted
before is never accepted as `previous_key`, and a key that was accepted does not get more time. `denied`, `disabled`,
`closed_services`, narrower `allowed_sources` and an earlier `plan_until` take effect. Everything else keeps its
running value until the file is corrected, and so does a setting whose value is invalid, or which is missing from a
table with an unknown key, because that may be its misspelling. An app that is missing from the file is removed,
unless another `[[app]]` table may be that app because its id cannot be read, or the file has no app at all. A file that is missing or is not TOML changes nothing. To be
certain that a right was taken away, look for `the apps were read again` in the log.

A certificate must always match its key, and other users must not be able to read the key. At startup, a certificate
that has expired or is not valid yet is used with a warning, because there is no other. It never replaces a valid one
in a running server; one that becomes valid later is used from that time on.

With `metrics.enabled`, `confold_reloads_total` counts reloads of the apps and of the certificate, `confold_reload_refused` is
1 while the last version of a file is refused, and `confold_certificate_not_after_timestamp_seconds` is the time at
which the certificate expires. [deploy/alerts.yml](../deploy/alerts.yml) alerts on a refused file, and 14 and 3 days before a
certificate expires.

## Getting started

Run these commands as root in a clone, after `cargo build --release`:

```sh
install -m 755 target/release/confold /usr/local/bin/
useradd --system --shell /usr/sbin/nologin confold
mkdir -p /etc/confold
(umask 077; echo THE_KEY_OF_THE_APP > /etc/confold/1400000000.key)      # at least 32 characters: openssl rand -hex 32

# A self-signed certificate, if you have no other; clients have to trust cert.pem.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj /CN=chat.example.org \\
    -addext subjectAltName=DNS:chat.example.org -addext basicConstraints=critical,CA:FALSE \\
    -keyout /etc/confold/key.pem -out /etc/confold/cert.pem

cat > /etc/confold/confold.toml <<'EOF'
listen = [\"127.0.0.1:8080\"]
store.directory = \"/var/lib/confold\"

[tls]
listen = [\"0.0.0.0:8443\"]
certificate = \"/etc/confold/cert.pem\"
key = \"/etc/confold/key.pem\"

[[app]]
id = 1400000000
key_file = \"/etc/confold/1400000000.key\"
admins = [\"administrator\"]
EOF
```

[deploy/confold.service](../deploy/confold.service) is a systemd unit that runs the server without special privileges. It
expects this `/etc/confold/confold.toml`, whose store is in `/var/lib/confold`:

```sh
chown confold /etc/confold/*.key /etc/confold/key.pem
confold check-config --config /etc/confold/confold.toml
cp deploy/confold.service /etc/systemd/system/ && systemctl enable --now confold
```

The owner and the group of a key file may read it, other users may not. The published keys of `confold dev` are refused, and
keys of fewer than 32 characters cause a warning.

The files of the store, and a folder that the server creates, are private to the user who runs the server. An existing
folder keeps its mode; the log contains a warning if other users can enter it. To back up a running server, export each app with
`confold export --url …`; with the server stopped, copy the folder.

| symptom | cause |
|---|---|
| curl: `wrong version number`; `corrupt message of type InvalidContentType` | `https://` was used for the plain HTTP port |
| `this port speaks TLS` | `http://` was used for the TLS port |
| `unable to get local issuer certificate`, `UNABLE_TO_VERIFY_LEAF_SIGNATURE`, `UnknownIssuer` | the client does not trust the certificate authority; see [clients.md](clients.md) |
| 70009 | the signature was made with a different key from the one that the server has for the app |
| 50001 | the user was not imported; call `v4/im_open_login_svc/account_import`, or set the app's `directory = \"open\"` |

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
    text.push_str("\n## An app: `[[app]]`\n\n");
    table(&mut text, app_keys());
    text.push_str(
        "\nSet one of `key`, `key_file` or `key_env`. Without a key, every call for the app is refused with error \
         70016, because no signature can be verified. During a rotation, set one of `previous_key`, \
         `previous_key_file` or `previous_key_env` as well, together with `previous_key_until`.\n\n\
         ## Webhooks that an app receives: `[app.callback]`\n\n\
         With this table, the app receives the webhooks of Tencent Chat. [callbacks.md](callbacks.md) explains it. Set one of \
         `secret` and `secret_file`.\n\n",
    );
    table(&mut text, callback_keys());
    text.push_str(
        "\n## A webhook of an app: `[[app.webhook]]`\n\n\
         Write any number of these tables after the settings of the app. [webhooks.md](webhooks.md) explains them. They are \
         read again on SIGHUP.\n\n",
    );
    table(&mut text, webhook_keys());
    text
}

/// Appends a table of keys.
fn table<T>(text: &mut String, keys: &[Key<T>]) {
    text.push_str("| key | takes | default | meaning |\n|---|---|---|---|\n");
    for key in keys {
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
}

/// Generates `docs/confold.example.toml`.
#[must_use]
pub fn example() -> String {
    let mut text = "\
# A configuration of confold with every key. Keys that are commented out show their default, if they have one.
# Check it with: CONFOLD_APP_KEY=$(openssl rand -hex 32) confold check-config --config confold.example.toml

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
    text.push_str("# Write one such table per app.\n[[app]]\n\n");
    for key in app_keys() {
        let shown = match key.name {
            "id" => Some("1400000000"),
            "key_env" => Some("\"CONFOLD_APP_KEY\""),
            _ => None,
        };
        entry(&mut text, key.name, key, shown);
    }
    text.push_str("# With this table, the app receives the webhooks of Tencent Chat. It needs a secret.\n# [app.callback]\n\n");
    for key in callback_keys() {
        entry(&mut text, key.name, key, None);
    }
    text.push_str("# Write one such table per webhook of the app.\n[[app.webhook]]\n\n");
    for key in webhook_keys() {
        let shown = match key.name {
            "name" => Some("\"crm\""),
            "url" => Some("\"https://crm.example.org/confold\""),
            _ => None,
        };
        entry(&mut text, key.name, key, shown);
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn entry<T>(text: &mut String, name: &str, key: &Key<T>, shown: Option<&str>) {
    let value = match (shown, key.default) {
        (Some(shown), _) => format!("{name} = {shown}"),
        (None, "") => format!("# {name} ="),
        (None, default) => {
            let read = key.kind.read(&Given::Text(default), std::path::Path::new(""));
            format!("# {name} = {}", read.expect("defaults can be parsed").shown)
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
