//! Reads a configuration from the file, the environment and the flags, and collects all problems.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use toml::de::{DeTable, DeValue};

use super::{
    LoadedConfig, Origin, Setting, app_keys, environment_name,
    given::Given,
    key::Key,
    read_app::{looks_like_an_app, refused_apps},
    reading::{Location, Reading, Table},
    restrict::RefusedApps,
    server_keys,
    server_keys::ServerDraft,
    syntax,
};
use crate::{domain::UnixSeconds, excerpt, secret_file::Readers, text_file, wire::nearest};

/// The inputs from which a configuration is read.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The path of the file.
    pub file: PathBuf,
    /// The environment. Only variables that begin with `CONFOLD_`, and those that hold keys of apps, are used.
    pub environment: BTreeMap<String, String>,
    /// The values of flags, with the names of their keys.
    pub flags: Vec<(&'static str, String)>,
    /// The current time, for checks of certificates and previous keys.
    pub now: UnixSeconds,
}

/// All problems of a configuration, one per line, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names and paths from the file may contain line breaks or control characters.
        let lines: Vec<_> = self.0.iter().map(|problem| excerpt::line(problem)).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Problems {}

/// A configuration that has problems. A running server applies only the rights that it takes away.
#[derive(Clone, Debug)]
pub struct Refused {
    /// All problems.
    pub problems: Problems,
    /// The apps in the file; `None` if the file could not be parsed.
    pub apps: Option<RefusedApps>,
}

/// Reads a configuration.
///
/// # Errors
/// Returns all [`Problems`] at once.
pub fn read(sources: &Sources) -> Result<LoadedConfig, Problems> {
    read_with(sources, Some(sources.now)).map_err(|refused| refused.problems)
}

/// Reads a configuration for a running server, which applies only the apps. The files of the server's own settings are not
/// checked, so that a certificate that is just being replaced does not delay the removal of an administrator.
///
/// # Errors
/// Returns [`Refused`], with the apps that can be read.
pub fn read_again(sources: &Sources) -> Result<LoadedConfig, Refused> {
    read_with(sources, None)
}

/// Reads a configuration. If `files` contains the current time, the files of the server's own settings are checked.
fn read_with(sources: &Sources, files: Option<UnixSeconds>) -> Result<LoadedConfig, Refused> {
    let file = &sources.file;
    let unread = |problem: String| Refused { problems: Problems(vec![problem]), apps: None };
    let text =
        text_file::read(file).map_err(|error| unread(format!("cannot read {}: {error}", file.display())))?;
    let (problems, warnings) = (Vec::new(), Vec::new());
    let mut reading = Reading {
        file,
        text: &text,
        problems,
        warnings,
        refused: Vec::new(),
        readers: Readers::Nobody,
        hides_apps: false,
    };
    let root = DeTable::parse(&text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let (line, said) = (reading.line(at), syntax::meaning(error.message()));
        unread(format!("{}:{line}: this is not TOML: {said}", file.display()))
    })?;
    let mut draft = ServerDraft::new();
    let mut settings = Reading::defaults(server_keys(), &mut draft);
    let mut apps = Vec::new();
    reading.table("", root.get_ref(), &mut draft, &mut settings, &mut apps);
    let named: Vec<&str> =
        apps.iter().filter_map(|(_, table)| table.get("key_env")?.get_ref().as_str()).collect();
    reading.environment(sources, &named, &mut draft, &mut settings);
    for (name, text) in &sources.flags {
        if let Some(key) = server_keys().iter().find(|key| key.name == *name) {
            let location =
                Location { line: usize::MAX, said: format!("--{}", key.flag()), origin: Origin::Flag };
            reading.set(location, key, &Given::Text(text), &mut draft, &mut settings);
        }
    }
    reading.readers = draft.key_readers;
    let read_apps: Vec<_> = apps.iter().map(|table| reading.app(table, sources)).collect();
    let config = reading.finish(draft, &read_apps, files);
    match config {
        Some(config) if reading.problems.is_empty() => Ok(LoadedConfig {
            config,
            settings,
            callbacks: read_apps.iter().map(|app| app.callback_settings.clone()).collect(),
            webhooks: read_apps.iter().map(|app| app.webhooks.settings.clone()).collect(),
            apps: read_apps.into_iter().map(|app| app.settings).collect(),
            warnings: reading.warnings,
        }),
        _ => {
            // Report in the order of the file; problems without a line come last.
            reading.problems.sort_by_key(|(line, _)| *line);
            let problems = Problems(reading.problems.into_iter().map(|(_, said)| said).collect());
            Err(Refused { problems, apps: Some(refused_apps(read_apps, reading.hides_apps)) })
        }
    }
}

impl<'a> Reading<'a> {
    /// Reads a table of the file with keys of the server, sections and apps; `section` precedes the names in it.
    fn table(
        &mut self,
        section: &str,
        table: &'a DeTable<'a>,
        draft: &mut ServerDraft,
        settings: &mut [Setting],
        apps: &mut Vec<Table<'a>>,
    ) {
        for (name, value) in table {
            let (at, full) = (name.span().start, format!("{section}{}", name.get_ref()));
            let is_section = server_keys().iter().any(|key| key.name.starts_with(&format!("{full}.")));
            match value.get_ref() {
                DeValue::Array(items)
                    if full == "app" && items.iter().all(|item| item.get_ref().is_table()) =>
                {
                    let tables =
                        items.iter().filter_map(|item| Some((item.span().start, item.get_ref().as_table()?)));
                    apps.extend(tables);
                }
                DeValue::Table(inner) if is_section => {
                    self.table(&format!("{full}."), inner, draft, settings, apps);
                }
                _ if full == "app" => {
                    self.hides_apps = true;
                    self.problem(at, "write each app as a table under [[app]], with double brackets");
                }
                _ if is_section => self.problem(at, format!("{full} is a section; write it as [{full}]")),
                value => {
                    if let Some(key) = server_keys().iter().find(|key| key.name == full) {
                        self.set(self.location(at, &full), key, &Given::Toml(value), draft, settings);
                    } else {
                        let sections =
                            ["app", "tls", "store", "limits", "metrics", "traces", "controls", "log"];
                        let known = server_keys().iter().map(|key| key.name).chain(sections);
                        self.hides_apps |= looks_like_an_app(value);
                        self.unknown(at, "", &full, known, app_keys().iter().any(|key| key.name == full));
                    }
                }
            }
        }
    }

    /// Reads the environment variables of keys. `named` are the variables that hold keys of apps, for which no similar name
    /// is suggested.
    fn environment(
        &mut self,
        sources: &Sources,
        named: &[&str],
        draft: &mut ServerDraft,
        settings: &mut [Setting],
    ) {
        let known: Vec<(String, &Key<ServerDraft>)> =
            server_keys().iter().map(|key| (environment_name(key.name), key)).collect();
        for (variable, text) in &sources.environment {
            if let Some((_, key)) = known.iter().find(|(name, _)| name == variable) {
                let said = format!("environment variable {variable}");
                let location = Location { line: usize::MAX, said, origin: Origin::Environment };
                self.set(location, key, &Given::Text(text), draft, settings);
            } else if !named.contains(&variable.as_str())
                && let Some(name) = variable.strip_prefix("CONFOLD_")
                // Unless a name looks misspelt, ignore it: Kubernetes sets variables such as CONFOLD_PORT by itself.
                && let Some(other) = nearest(name, known.iter().map(|(known, _)| &known["CONFOLD_".len()..]))
            {
                self.problems.push((usize::MAX, format!(
                    "environment variable {variable} does not belong to a configuration key; did you mean CONFOLD_{other}?"
                )));
            }
        }
    }
}
