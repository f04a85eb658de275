//! Tests mistakes in a configuration, and their error messages.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::{
    harness::confold,
    serving::{Authority, Site, page_config},
    tools::{Tool, is_missing},
    wait::Finish,
};

/// Runs `check-config`, which has to fail, and returns its standard error.
fn refusal(site: &Site) -> String {
    let output = site.check();
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn refusal_of(text: &str) -> String {
    let site = Site::new();
    site.write("confold.toml", text);
    refusal(&site)
}

/// Each mistake alone: the lines added to the server's part, those added to the app's, and the message.
#[test]
fn mistakes_are_named_with_file_line_rule_and_finding() {
    for (server, app, said) in [
        (
            "lisen = [\"127.0.0.1:80\"]",
            "",
            "confold.toml:3: unknown configuration key lisen; did you mean listen?",
        ),
        (
            "[limts]\nbody = \"1MiB\"",
            "",
            "confold.toml:3: unknown configuration key limts; did you mean limits?",
        ),
        (
            "[limits]\nbodi = \"1MiB\"",
            "",
            "confold.toml:4: unknown configuration key limits.bodi; did you mean limits.body?",
        ),
        (
            "admins = [\"ann\"]",
            "",
            "confold.toml:3: unknown configuration key admins; it is a setting of an app and belongs under [[app]]",
        ),
        ("", "edtion = \"basic\"", "unknown configuration key app.edtion; did you mean edition?"),
        (
            "listen = \"127.0.0.1:80\"",
            "",
            "confold.toml:2: listen must be a list of addresses with a port, such as \"127.0.0.1:8080\", \"[::]:8080\", \"localhost:8080\" or \":8080\" (every IPv4 address), found \"127.0.0.1:80\"",
        ),
        (
            "listen = [\"chat.example:80\"]",
            "",
            "found \"chat.example:80\" (names other than localhost are not looked up; give an IP address of this machine and a port)",
        ),
        (
            "[limits]\nbody = \"1MB\"",
            "",
            "confold.toml:4: limits.body must be a size such as \"512KiB\" or \"1MiB\", or a number of bytes, found \"1MB\"",
        ),
        (
            "[limits]\nhead_timeout = 10",
            "",
            "limits.head_timeout must be a time such as \"500ms\", \"10s\", \"2m\" or \"7d\", found 10",
        ),
        ("[limits]\nidle_timeout = \"0s\"", "", "limits.idle_timeout must be longer than 0"),
        ("workers = 5000", "", "confold.toml:3: workers must be a number from 0 to 1024, found 5000"),
        (
            "[log]\nlevel = \"loud\"",
            "",
            "log.level must be \"error\" or \"warn\" or \"info\" or \"debug\", found \"loud\"",
        ),
        ("log = \"json\"", "", "confold.toml:3: log is a section; write it as [log]"),
        ("", "id = 0", "app.id must be a number from 1 to 4294967295, found 0"),
        ("", "key_file = \"nowhere\"", "app 88888888: key_file: cannot read "),
        (
            "",
            "key_env = \"CONFOLD_TEST_UNSET\"",
            "app 88888888: key_env: the environment variable CONFOLD_TEST_UNSET is not set or is empty",
        ),
        (
            "",
            "key_env = \"HOME\"\nkey_file = \"key\"",
            "app 88888888 has more than one of key, key_file and key_env; keep one",
        ),
        ("", "key = 17", "app.key must be a secret string, found a value of another type"),
        (
            "",
            "allowed_sources = [\"10.0.0.0/33\"]",
            "app.allowed_sources must contain addresses or networks, such as \"10.0.0.0/8\" or \"2001:db8::/32\", found \"10.0.0.0/33\"",
        ),
        (
            "",
            "closed_services = [\"recentcontacts\"]",
            "app.closed_services must contain services: \"recentcontact\", \"im_open_login_svc\", \"group_open_http_svc\", \"profile\", \"openim\", \"confold\", \"interchange\", \"feed\", found \"recentcontacts\"",
        ),
        (
            "",
            "plan_until = 2027-01-01",
            "app.plan_until must be a date and time such as 2027-01-01T00:00:00Z, found 2027-01-01",
        ),
        ("", "[[app]]\nid = 88888888\nkey_file = \"key\"", "there are two apps with the id 88888888"),
        ("", "[[app]]\nkey_file = \"key\"", "the app has no id"),
        (
            "[tls]\nlisten = [\"127.0.0.1:0\"]",
            "",
            "tls.listen needs a certificate: set tls.certificate and tls.key",
        ),
        ("[tls]\ncertificate = \"cert.pem\"", "", "tls.certificate needs its key: set tls.key"),
        ("listen = []", "", "the server has no address to listen on: both listen and tls.listen are empty"),
        (
            "listen = [\"127.0.0.1:80\", \"127.0.0.1:80\"]",
            "",
            "127.0.0.1:80 is listed twice in listen and tls.listen; keep one of them",
        ),
    ] {
        let found = refusal_of(&page_config(server, app));
        assert!(found.contains(said), "{server:?} {app:?}: {found}");
        assert_eq!(found.lines().count(), 1, "there should be no other message: {found}");
    }
}

#[test]
fn mistakes_in_rates_addresses_and_folders_are_named() {
    for (server, app, said) in [
        (
            "[limits]\nrate = 0",
            "",
            "confold.toml:4: limits.rate must be a number of calls (1 or more), or numbers for single commands, such as { get_contact_group = 500, others = 100 }, found 0; to allow any number of calls, set limits.rate_limit = false",
        ),
        (
            "[limits]\nrate = { get_contact_grup = 5 }",
            "",
            "limits.rate names \"get_contact_grup\", which is not a command; did you mean get_contact_group?",
        ),
        ("", "rate = { mark_contact = \"many\" }", "found \"many\" for \"mark_contact\""),
        ("", "rate = {}", "but it is empty"),
        (
            "listen = [\"0.0.0.0:8081\", \"127.0.0.1:8081\", \"[::]:8081\"]",
            "",
            "0.0.0.0:8081 includes 127.0.0.1:8081, so the server cannot listen on both; keep one of them",
        ),
        ("[store]\ndirectory = \"~/data\"", "", "store.directory is \"~/data\", but only a shell expands ~"),
        (
            "[tls]\nlisten = [\"127.0.0.1:0\"]\ncertificate = \"$HOME/c.pem\"\nkey = \"key\"",
            "",
            "tls.certificate is \"$HOME/c.pem\", but confold does not expand \"$HOME\"",
        ),
        ("[store]\ndirectory = \"key\"", "", "key as a directory: it is not a directory"),
        ("[store]\ndirectory = \"key/below\"", "", "key is not a directory"),
        (
            "[store]\ndirectory = \"/proc/confold\"",
            "",
            "/proc belongs to the kernel, and no files can be kept there",
        ),
        ("[store]\ncreate = false\ndirectory = \"data\"", "", "there is no store in "),
    ] {
        let found = refusal_of(&page_config(server, app));
        assert!(found.contains(said), "{server:?} {app:?}: {found}");
        assert_eq!(found.lines().count(), 1, "there should be no other message: {found}");
    }
}

#[test]
fn a_missing_file_and_one_that_is_not_toml_are_named() {
    assert!(refusal_of("listen = [\n").contains("confold.toml:"), "{}", refusal_of("listen = [\n"));
    let found = refusal_of("a = 1\na = 2\n");
    assert!(
        found.contains(
            "confold.toml:2: this is not TOML: this name is used a second time; keep one of the two"
        ),
        "{found}"
    );
    let found = refusal_of("store.directory = \"data\"\n");
    assert!(found.contains("there is no app; add one under [[app]] with id, key_file and admins"), "{found}");
    let found = refusal_of("[[app]]\nid = 1\nkey_file = \"key\"\n");
    assert!(found.contains("store.directory is missing; set it to the folder for the data"), "{found}");
    let found = refusal_of("[app]\nid = 1\n");
    assert!(found.contains("write each app as a table under [[app]], with double brackets"), "{found}");
    let site = Site::new();
    let found = refusal(&site);
    assert!(found.contains("cannot read ") && found.contains("confold.toml: No such file"), "{found}");
}

#[test]
fn toml_errors_are_explained() {
    for (text, said) in [
        ("a = ", "a value is needed after =; text must be in quotation marks"),
        ("a = text", "text must be in quotation marks"),
        ("a = tru", "a value without quotation marks must be true or false"),
        ("a", "this name has no value; write NAME = VALUE"),
        ("= 1", "the name before = is missing"),
        ("[x", "the [ of a section is not closed"),
        ("a = [1,", "the [ of a list is not closed"),
        ("a = {b=1", "a { is not closed"),
        ("a = \"x", "a string is not closed"),
        ("a = 'x", "a string is not closed"),
        ("a = 1 b = 2", "more text follows the value; write one setting per line"),
        ("a = \"C:\\data\"", "a \\ begins an escape sequence; write \\\\"),
        ("a = 2027-13-01", "this date does not exist"),
        ("a = 1_", "the line cannot be read"),
        ("[[app]]\n[app]", "this name is used a second time"),
    ] {
        let found = refusal_of(text);
        assert!(
            found.contains(&format!(": this is not TOML: {said}")) || found.contains(said),
            "{text}: {found}"
        );
        for foreign in ["expected", "literal", "invalid", "unquoted", "assignment"] {
            assert!(!found.contains(foreign), "{text}: {found}");
        }
    }
}

#[test]
fn all_mistakes_are_reported_together() {
    let found = refusal_of(&page_config("workers = -1\n[log]\nlevel = 3", "page_size = 0"));
    assert_eq!(found.lines().count(), 3, "{found}");
}

#[test]
fn secret_files_that_others_can_read_are_refused() {
    let open = |file| fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    let site = Site::new();
    site.configure("", "");
    open(site.path("key"));
    let found = refusal(&site);
    assert!(found.contains("key_file: ") && found.contains("(mode 0644); run: chmod o-rwx "), "{found}");

    let site = Site::new();
    site.configure("", "key = \"secret-text\"");
    open(site.path("confold.toml"));
    let found = refusal(&site);
    assert!(
        found.contains("app 88888888 has its key in this file, but ") && found.contains("(mode 0644)"),
        "{found}"
    );
    assert!(!found.contains("secret-text"));

    let (site, authority) = (Site::new(), Authority::new());
    authority.issue(&site.path("cert.pem"), &site.path("cert-key.pem"));
    open(site.path("cert-key.pem"));
    site.configure("[tls]\ncertificate = \"cert.pem\"\nkey = \"cert-key.pem\"", "");
    let found = refusal(&site);
    assert!(found.contains("tls.key: ") && found.contains("(mode 0644)"), "{found}");
}

#[test]
fn an_empty_key_file_and_files_without_a_certificate_are_refused() {
    let site = Site::new();
    site.write("key", "\n");
    site.configure("", "");
    let found = refusal(&site);
    assert!(found.contains("is empty"), "{found}");

    let site = Site::new();
    site.configure("[tls]\ncertificate = \"key\"\nkey = \"key\"", "");
    let found = refusal(&site);
    assert!(found.contains("contains no certificate in PEM form"), "{found}");
}

#[test]
fn a_key_file_holds_the_key_and_nothing_else() {
    for text in ["two words", "# a comment\nkey", "key\u{feff}", " key", "key\n\nkey", "\"key\"", "kéy"] {
        let site = Site::new();
        site.write("key", text);
        site.configure("", "");
        let found = refusal(&site);
        assert!(found.contains("must contain the secret and nothing else"), "{text:?}: {found}");
    }
    let site = Site::new();
    site.write("token", "fifteen-letters");
    site.configure("[controls]\ntoken_file = \"token\"", "");
    assert!(refusal(&site).contains("controls.token_file: the token has fewer than 16 characters"));
    let site = Site::new();
    site.configure("", "key_file = \".\"");
    assert!(refusal(&site).contains("is not a regular file"));
}

#[test]
fn a_key_in_the_wrong_place_is_not_shown() {
    let key = "0123456789abcdef0123456789abcdef";
    for setting in
        [format!("key_file = \"{key}\""), format!("key_env = \"{key}\""), format!("keyy = \"{key}\"")]
    {
        let found = refusal_of(&page_config("", &setting));
        assert!(!found.contains(key), "{found}");
    }
}

#[test]
fn common_slips_have_a_hint() {
    let found = refusal_of(&page_config("[log]\nformat = text", ""));
    assert!(found.contains("text must be in quotation marks"), "{found}");
    let found = refusal_of(&page_config("[log]\nworkers = 3", ""));
    assert!(
        found.contains("unknown configuration key log.workers; it belongs above the first [section]"),
        "{found}"
    );
    let found =
        refusal_of(&page_config("", "allowed_sources = [\"10.0.0.0/33\", \"127.0.0.1\", \"localhost\"]"));
    assert!(found.contains("found \"10.0.0.0/33\", \"localhost\""), "{found}");
}

#[test]
fn a_variable_or_flag_is_named_as_it_was_given() {
    let site = Site::new();
    site.configure("", "");
    let said = |command: &mut std::process::Command| String::from_utf8(command.finish().stderr).unwrap();
    let found = said(site.command("check-config").env("CONFOLD_LIMITS_BODY", "big"));
    assert!(found.contains("environment variable CONFOLD_LIMITS_BODY must be a size"), "{found}");
    let found = said(site.command("check-config").env("CONFOLD_LIMITS_BODDY", "1MiB"));
    assert!(
        found.contains(
            "CONFOLD_LIMITS_BODDY does not belong to a configuration key; did you mean CONFOLD_LIMITS_BODY?"
        ),
        "{found}"
    );
    let found = said(site.command("check-config").args(["--log-level", "loud"]));
    assert!(found.contains("--log-level must be \"error\""), "{found}");
    let others =
        said(site.command("check-config").env("CONFOLD_SERVICE_HOST", "10.0.0.1").env("CONFOLD_PORT", "80"));
    assert_eq!(others, "", "variables that an orchestrator sets should be ignored");
}

#[test]
fn valid_but_probably_unintended_settings_cause_a_warning() {
    let site = Site::new();
    site.write("confold.toml", "store.directory = \"data\"\n[[app]]\nid = 5\nadmins = []\n");
    let output = site.check();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success());
    assert!(said.contains("warning: app 5 has no key: no signature can be verified (70016)"), "{said}");
    assert!(said.contains("warning: app 5 has no administrator: nobody can call for it (60010)"), "{said}");
}

#[test]
fn serve_refuses_what_check_config_refuses_and_a_taken_port() {
    let site = Site::new();
    site.configure("lisen = []", "");
    let output = site.command("serve").finish();
    assert!(String::from_utf8(output.stderr).unwrap().contains("did you mean listen?"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    site.configure(&format!("listen = [\"{address}\"]"), "");
    let said = String::from_utf8(site.command("serve").finish().stderr).unwrap();
    assert!(said.contains(&format!("listen: cannot use {address}: Address already in use")), "{said}");
}

/// Returns the messages of a command that has to fail. One that prints to standard output has succeeded and may be a
/// running server, so it is killed.
fn failing(command: &mut std::process::Command) -> String {
    use std::{io::Read, process::Stdio};
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let printed = child.stdout.as_mut().unwrap().read(&mut [0]).unwrap() > 0;
    if printed {
        child.kill().unwrap();
    }
    let output = child.finish();
    assert!(!printed && !output.status.success(), "{command:?} {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn an_implausible_path_is_refused_wherever_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    for (bad, said) in [
        ("~/data", "is \"~/data\", but only a shell expands ~; write the full path"),
        ("$HOME/data", "is \"$HOME/data\", but confold does not expand \"$HOME\"; write the full path"),
        ("${DATA}", "but confold does not expand \"${DATA}\""),
        ("%APPDATA%", "but confold does not expand \"%APPDATA%\""),
        ("\"/data\"", "which has quotation marks that would become part of the name"),
        ("/data\n", "which contains a line feed or another control character"),
    ] {
        let site = Site::new();
        site.configure("", "");
        let found =
            failing(site.command("serve").current_dir(folder.path()).env("CONFOLD_STORE_DIRECTORY", bad));
        assert!(
            found.contains("environment variable CONFOLD_STORE_DIRECTORY is ") && found.contains(said),
            "{found}"
        );
        let found =
            failing(site.command("serve").current_dir(folder.path()).args(["--store-directory", bad]));
        assert!(found.contains("--store-directory is ") && found.contains(said), "{found}");
        site.configure(&format!("[store]\ndirectory = {bad:?}"), "");
        let found = failing(&mut site.command("serve"));
        assert!(found.contains("confold.toml:3: store.directory is ") && found.contains(said), "{found}");
        site.configure(&format!("[tls]\ncertificate = {bad:?}"), &format!("key_file = {bad:?}"));
        let found = failing(&mut site.command("check-config"));
        assert!(found.contains("tls.certificate is ") && found.contains("app.key_file is "), "{found}");
        // The second name is the official one of the setting, even if an alias is used.
        for (option, name) in [
            ("--data", "--store-directory"),
            ("--ready-file", "--ready-file"),
            ("--seed", "--seed"),
            ("--export-on-exit", "--export-on-exit"),
            ("--dev-token-file", "--controls-token-file"),
        ] {
            let mut command = confold(&["dev", "--listen", "127.0.0.1:0", option, bad]);
            let found = failing(command.current_dir(folder.path()));
            assert!(found.contains(name) && found.contains(said), "{found}");
        }
        let left: Vec<_> = [folder.path(), site.folder.path()]
            .iter()
            .flat_map(|folder| fs::read_dir(folder).unwrap())
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left.len(), 2, "only the key and the configuration should exist: {left:?}");
    }
}

#[test]
fn an_empty_variable_or_flag_is_refused_by_name() {
    for key in confold::config::server_keys() {
        let variable = confold::config::environment_name(key.name);
        for empty in ["", " "] {
            let site = Site::new();
            site.configure("", "");
            let found = failing(site.command("check-config").env(&variable, empty));
            let expected = format!("environment variable {variable} is empty; give it ");
            assert!(found.contains(&expected) && found.contains(", or unset it"), "{found}");
            let found =
                failing(site.command("check-config").args([format!("--{}", key.flag()), empty.to_owned()]));
            let expected = format!("--{} is empty; give it ", key.flag());
            assert!(found.contains(&expected) && found.contains(", or leave the flag out"), "{found}");
        }
    }
    // An empty list has to be written explicitly.
    let site = Site::new();
    site.configure("", "");
    let found = failing(site.command("check-config").env("CONFOLD_LISTEN", "[]"));
    assert!(found.contains("the server has no address to listen on"), "{found}");
    let found = refusal_of(&page_config("[store]\ndirectory = \"\"", "key_env = \"\""));
    assert!(found.contains("confold.toml:3: store.directory is empty; give it a path"), "{found}");
    assert!(found.contains("app.key_env is empty; write its value, or remove the line"), "{found}");
}

#[test]
fn a_key_with_a_stray_character_is_refused_wherever_it_comes_from() {
    let key = "0123456789abcdef0123456789abcdef";
    for (before, after, said) in [
        ("", "\r", "contains a carriage return at the end"),
        ("", " ", "contains a space at the end"),
        ("\"", "\"", "contains a quotation mark at the start"),
        ("\u{feff}", "", "contains a byte order mark at the start"),
        ("é", "", "contains a character outside ASCII at the start"),
        ("a b", "", "contains a space in the middle"),
    ] {
        let bad = format!("{before}{key}{after}");
        let cure = "; it must be one word of ASCII characters, without spaces, control characters or quotation marks";
        let with = |expected: &str, found: String| {
            assert!(found.contains(&format!("{expected}{said}{cure}")), "{bad:?}: {found}");
            assert!(!found.contains(key), "{found}");
        };
        let written = bad.replace('"', "\\\"").replace('\r', "\\r");
        with("app.key ", refusal_of(&page_config("", &format!("key = \"{written}\""))));
        let site = Site::new();
        site.configure("", "key_env = \"THE_KEY\"");
        let found = failing(site.command("check-config").env("THE_KEY", &bad));
        with("app 88888888: key_env: the environment variable THE_KEY ", found);
        let option = format!("5:{bad}");
        for task in [&["dev", "--listen", "127.0.0.1:0"][..], &["usersig"], &["verify-usersig", "sig"]] {
            with("--app <ID", {
                let found = failing(confold(task).args(["--app", &option]));
                // The name of the option differs between commands.
                found
                    .replace(['[', ']'], "")
                    .replace(":KEY:ADMIN>: the key ", "")
                    .replace("; write ID:KEY or ID:KEY:ADMIN", "")
            });
        }
        for task in [&["usersig"][..], &["verify-usersig", "sig"]] {
            let found = failing(confold(task).args(["--app", "5"]).env("CONFOLD_KEY", &bad));
            with("the key in the variable CONFOLD_KEY ", found);
        }
    }
    let found = failing(confold(&["usersig", "--app", "5"]).env("CONFOLD_KEY", ""));
    assert!(found.contains("the key in the variable CONFOLD_KEY is empty"), "{found}");
}

/// Encodes text as some Windows programs save it.
fn utf16(text: &str) -> Vec<u8> {
    [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

#[test]
fn a_byte_order_mark_is_ignored_and_utf_16_is_refused_by_name() {
    let (site, authority) = (Site::new(), Authority::new());
    authority.issue(&site.path("cert.pem"), &site.path("cert-key.pem"));
    site.configure("[tls]\ncertificate = \"cert.pem\"\nkey = \"cert-key.pem\"", "");
    let files = ["confold.toml", "key", "cert.pem", "cert-key.pem"];
    let text = |file: &str| fs::read_to_string(site.path(file)).unwrap();
    for file in files {
        fs::write(site.path(file), format!("\u{feff}{}", text(file))).unwrap();
    }
    let output = site.check();
    assert!(output.status.success(), "{output:?}");
    for file in files {
        let before = text(file);
        fs::write(site.path(file), utf16(before.trim_start_matches('\u{feff}'))).unwrap();
        let found = refusal(&site);
        assert!(found.contains(file) && found.contains("it is UTF-16; save it as UTF-8"), "{found}");
        assert_eq!(found.lines().count(), 1, "{found}");
        fs::write(site.path(file), before).unwrap();
    }
    fs::write(site.path("confold.toml"), b"# fine\n# caf\xe9\n").unwrap();
    let found = refusal(&site);
    assert!(found.contains("line 2 is not valid UTF-8; save it as UTF-8"), "{found}");
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_in_plain_words() {
    if is_missing(&[Tool::Openssl]) {
        return;
    }
    let openssl = |folder: &Site, arguments: &str| {
        let words = arguments.split(' ');
        let mut openssl = std::process::Command::new("openssl");
        let output = openssl.args(words).current_dir(folder.folder.path()).finish();
        assert!(output.status.success(), "{output:?}");
    };
    for (make, said) in [
        (
            &[
                "req -x509 -newkey rsa:2048 -nodes -subj /CN=x -keyout k.pem -out c.pem",
                "genpkey -algorithm ed25519 -out k.pem",
            ][..],
            "the certificate belongs to a different key; use the key with which it was requested",
        ),
        (
            &[
                "genpkey -algorithm ed25519 -out k.pem",
                "req -new -key k.pem -subj /CN=x -out r.pem",
                "x509 -req -in r.pem -signkey k.pem -out c.pem",
            ],
            "the certificate has X.509 version 1, which clients refuse; make one of version 3",
        ),
        (
            &["req -x509 -newkey rsa:1024 -nodes -subj /CN=x -keyout k.pem -out c.pem"],
            "the key cannot be used; supported are RSA with 2048 bits or more, ECDSA with P-256 or P-384, and Ed25519",
        ),
        (
            &["req -x509 -newkey rsa:2048 -passout pass:secret -subj /CN=x -keyout k.pem -out c.pem"],
            "is encrypted with a password, which a server cannot ask for",
        ),
    ] {
        let site = Site::new();
        for arguments in make {
            openssl(&site, arguments);
        }
        fs::set_permissions(site.path("k.pem"), fs::Permissions::from_mode(0o600)).unwrap();
        site.configure("[tls]\ncertificate = \"c.pem\"\nkey = \"k.pem\"", "");
        let found = refusal(&site);
        assert!(found.contains(said), "{make:?}: {found}");
        for foreign in ["KeyMismatch", "UnsupportedCertVersion", "unexpected error", "InvalidCert", "General"]
        {
            assert!(!found.contains(foreign), "{found}");
        }
    }
}

/// Returns everything in a folder, with times and contents, so that any write can be detected.
fn everything_in(folder: &std::path::Path) -> Vec<(std::path::PathBuf, std::time::SystemTime, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        if metadata.is_dir() {
            found.extend(everything_in(&path));
        }
        let content = if metadata.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        found.push((path, metadata.modified().unwrap(), content));
    }
    found.sort();
    found
}

#[test]
fn check_config_finds_what_a_start_would_and_changes_nothing() {
    let site = Site::new();
    site.configure("[store]\ndirectory = \"new/deep/data\"", "");
    let before = everything_in(site.folder.path());
    assert!(site.check().status.success());
    assert!(everything_in(site.folder.path()) == before, "nothing should be created");
    // A running server is not an error and is not disturbed.
    let (_reserved, address) = crate::starting::reserved();
    site.configure(&format!("listen = [\"{address}\"]"), "");
    let server = site.serve();
    let output = site.check();
    let found = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{found}");
    assert!(found.contains(&format!("note: listen: {address} is in use")), "{found}");
    let directory = site.path("data");
    let expected = format!("note: the store in {} is in use by a running server", directory.display());
    assert!(found.contains(&expected), "{found}");
    assert_eq!(server.client().call("recentcontact/get_contact_group", "{}").code(), 50002);
    drop(server);
    let before = everything_in(site.folder.path());
    let output = site.check();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert!(everything_in(site.folder.path()) == before, "nothing should be changed");
}

#[test]
fn both_protocols_share_a_port() {
    let (_reserved, address) = crate::starting::reserved();
    let port = address.port();
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        eprintln!("skipped: there is no IPv6 here");
        return;
    }
    let site = Site::new();
    site.configure(&format!("listen = [\"[::]:{port}\", \"0.0.0.0:{port}\"]"), "");
    assert!(site.check().status.success());
    let _server = site.serve();
    for address in [format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        let mut client = crate::harness::Client::connect(address.parse().unwrap());
        assert_eq!(client.call("recentcontact/get_contact_group", "{}").code(), 50002, "{address}");
    }
}

/// Runs `check-config` while a folder is mounted read-only, in a separate namespace, where even an ordinary user may
/// mount. Returns `None` where that is not possible.
fn checked_read_only(site: &Site, folder: &str) -> Option<std::process::Output> {
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" && echo mounted >&2 && \
                  exec \"$2\" check-config --config \"$3\"";
    let mut command = std::process::Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]).arg(site.path(folder));
    command.arg(env!("CARGO_BIN_EXE_confold")).arg(site.path("confold.toml"));
    let output = command.finish();
    (output.stderr.starts_with(b"mounted\n") || !is_missing(&[Tool::Mounts])).then_some(output)
}

#[test]
fn a_key_file_on_a_read_only_file_system_may_be_readable() {
    let site = Site::new();
    site.write("secrets/key", crate::harness::KEY);
    site.configure("", "key_file = \"secrets/key\"");
    fs::set_permissions(site.path("secrets/key"), fs::Permissions::from_mode(0o444)).unwrap();
    assert!(refusal(&site).contains("(mode 0444)"));
    let Some(output) = checked_read_only(&site, "secrets") else {
        return;
    };
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_store_folder_that_cannot_be_created_or_written_is_a_mistake() {
    for directory in ["below", "below/new/deep"] {
        let site = Site::new();
        fs::create_dir(site.path("below")).unwrap();
        site.configure(&format!("[store]\ndirectory = {directory:?}"), "");
        assert!(site.check().status.success());
        let Some(output) = checked_read_only(&site, "below") else {
            return;
        };
        let found = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{found}");
        let expected = format!(
            "store.directory: cannot use {} as a directory: {} cannot be written: Read-only file system",
            site.path(directory).display(),
            site.path("below").display()
        );
        assert!(found.contains(&expected), "{found}");
    }
}
