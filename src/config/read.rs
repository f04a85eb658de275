//! From file, environment and flags to a configuration, or to all that is wrong with it.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use toml::de::{DeTable, DeValue};

use super::{
    Loaded, Origin, Setting, app_keys, environment_name,
    key::{Given, Key},
    read_app::{looks_like_an_app, standing},
    restrict::RefusedApps,
    server_keys,
    server_keys::ServerDraft,
    syntax,
};
use crate::{domain::UnixSeconds, excerpt, secret_file::Readers, text_file, wire::nearest};

/// Where a configuration comes from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The file.
    pub file: PathBuf,
    /// The environment; what begins with `CONFOLD_` is looked at, and the variables that hold keys.
    pub environment: BTreeMap<String, String>,
    /// The flags given, by the names of their keys.
    pub flags: Vec<(&'static str, String)>,
    /// The time, by which a certificate is valid.
    pub now: UnixSeconds,
}

/// All that is wrong with a configuration, one line each. No line shows a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A name or path in the file may hold anything, and each problem is one line.
        let lines: Vec<_> = self.0.iter().map(|problem| excerpt::line(problem)).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Problems {}

/// A configuration that is not taken over, but read for what it takes away.
#[derive(Clone, Debug)]
pub struct Refused {
    /// All that is wrong with it.
    pub problems: Problems,
    /// What it says of apps; `None` when nothing of it could be read.
    pub standing: Option<RefusedApps>,
}

/// What is being read, and what was wrong so far.
pub(super) struct Reading<'a> {
    pub(super) file: &'a Path,
    text: &'a str,
    pub(super) problems: Vec<(usize, String)>,
    pub(super) warnings: Vec<String>,
    /// The keys whose value was refused: they are not missing.
    pub(super) refused: Vec<&'static str>,
    /// Who may be able to read the files of keys.
    pub(super) readers: Readers,
    /// Whether a part that could not be understood may have been meant as an app.
    hides_apps: bool,
}

/// Reads a configuration. Everything is looked at before anything is refused.
///
/// # Errors
/// [`Problems`].
pub fn read(sources: &Sources) -> Result<Loaded, Problems> {
    read_with(sources, Some(sources.now)).map_err(|refused| refused.problems)
}

/// Reads a configuration for a server that runs, which takes over nothing but the apps: files of the
/// server's own settings are not looked at, so that a certificate being replaced keeps no administrator in.
///
/// # Errors
/// [`Refused`].
pub fn read_again(sources: &Sources) -> Result<Loaded, Refused> {
    read_with(sources, None)
}

/// `files` the time, if files of the server's own settings are looked at.
fn read_with(sources: &Sources, files: Option<UnixSeconds>) -> Result<Loaded, Refused> {
    let file = &sources.file;
    let unread = |problem: String| Refused { problems: Problems(vec![problem]), standing: None };
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
        Some(config) if reading.problems.is_empty() => Ok(Loaded {
            config,
            settings,
            apps: read_apps.into_iter().map(|app| app.settings).collect(),
            warnings: reading.warnings,
        }),
        _ => {
            // In the order of the file; what belongs to no line of it comes last.
            reading.problems.sort_by_key(|(line, _)| *line);
            let problems = Problems(reading.problems.into_iter().map(|(_, said)| said).collect());
            Err(Refused { problems, standing: Some(standing(read_apps, reading.hides_apps)) })
        }
    }
}

/// Where a value stands.
pub(super) struct Location {
    /// The line, by which problems are sorted.
    line: usize,
    /// In words.
    said: String,
    origin: Origin,
}

/// A table and where it stands.
pub(super) type Table<'a> = (usize, &'a DeTable<'a>);

impl<'a> Reading<'a> {
    fn line(&self, at: usize) -> usize {
        self.text[..at.min(self.text.len())].matches('\n').count() + 1
    }

    pub(super) fn problem(&mut self, at: usize, said: impl fmt::Display) {
        let line = self.line(at);
        self.problems.push((line, format!("{}:{line}: {said}", self.file.display())));
    }

    /// The folder from which relative paths of the file are seen.
    fn folder(&self) -> PathBuf {
        self.file.parent().map(Path::to_owned).unwrap_or_default()
    }

    /// Puts every default in its place.
    pub(super) fn defaults<T>(keys: &'static [Key<T>], draft: &mut T) -> Vec<Setting> {
        (keys.iter())
            .map(|key| {
                let mut value = String::new();
                if !key.default.is_empty() {
                    let read = key.kind.read(&Given::Text(key.default), Path::new(""));
                    let read = read.expect("a default is a value of its key");
                    value = key.kind.display(&read);
                    (key.set)(draft, read).expect("a default is accepted");
                }
                Setting { name: key.name, value, origin: Origin::Default }
            })
            .collect()
    }

    /// A table of the file: keys of the server, sections, apps.
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
                    self.problem(
                        at,
                        "an app is written as a table under [[app]], with two pairs of brackets",
                    );
                }
                _ if is_section => self.problem(at, format!("{full} is a section and is written [{full}]")),
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

    /// The place of a key in the file.
    pub(super) fn location(&self, at: usize, name: &str) -> Location {
        let line = self.line(at);
        Location { line, said: format!("{}:{line}: {name}", self.file.display()), origin: Origin::File }
    }

    /// A key that there is not; `section` stands before its name.
    pub(super) fn unknown(
        &mut self,
        at: usize,
        section: &str,
        name: &str,
        known: impl Iterator<Item = &'static str>,
        elsewhere: bool,
    ) {
        let hint = match nearest(name, known) {
            Some(other) => format!("; did you mean {other}?"),
            None if elsewhere => "; it is a setting of an app, and goes under [[app]]".to_owned(),
            None if name
                .rsplit('.')
                .next()
                .is_some_and(|last| server_keys().iter().any(|key| key.name == last)) =>
            {
                "; it belongs above the first [section]".to_owned()
            }
            None => "; docs/configuration.md lists all".to_owned(),
        };
        let name = excerpt::plain(name);
        self.problem(at, format!("{section}{name} is no key of the configuration{hint}"));
    }

    /// Takes one value; whether it could be taken.
    pub(super) fn set<T>(
        &mut self,
        location: Location,
        key: &Key<T>,
        given: &Given<'_>,
        draft: &mut T,
        settings: &mut [Setting],
    ) -> bool {
        let Location { line, said, origin } = location;
        let base = if origin == Origin::File { self.folder() } else { PathBuf::new() };
        if let Given::Text(text) = given
            && text.trim().is_empty()
        {
            // An empty value is most often a variable that was never filled in.
            let other = if origin == Origin::Flag { "leave the flag out" } else { "unset it" };
            let said = format!("{said} is empty; give it {}, or {other}", key.kind.describe());
            self.problems.push((line, said));
            self.refused.push(key.name);
            return false;
        }
        let taken = key.kind.read(given, &base).and_then(|value| {
            let shown = key.kind.display(&value);
            (key.set)(draft, value).map(|()| shown)
        });
        match taken {
            Ok(value) => {
                for setting in settings.iter_mut().filter(|setting| setting.name == key.name) {
                    *setting = Setting { name: key.name, value: value.clone(), origin };
                }
                true
            }
            Err(reason) => {
                self.problems.push((line, format!("{said} {reason}")));
                self.refused.push(key.name);
                false
            }
        }
    }

    /// Variables that are named as keys are; `named` are those that hold keys of apps.
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
                // Others are not refused: orchestrators set variables named after their services.
                && let Some(other) = nearest(name, known.iter().map(|(known, _)| &known["CONFOLD_".len()..]))
            {
                self.problems.push((usize::MAX, format!(
                    "environment variable {variable} names no key of the configuration; did you mean CONFOLD_{other}?"
                )));
            }
        }
    }
}

/// An error with its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}
