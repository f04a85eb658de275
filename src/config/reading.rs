//! The state while a configuration is read: stores values, and collects problems.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use toml::de::DeTable;

use super::{Origin, Setting, given::Given, key::Key, server_keys};
use crate::{excerpt, log_lines::Finding, secret_file::Readers, wire::nearest};

/// The state while a configuration is read.
pub(super) struct Reading<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
    pub(super) problems: Vec<(usize, String)>,
    pub(super) warnings: Vec<Finding>,
    /// Keys whose value was refused. They must not be reported as missing, too.
    pub(super) refused: Vec<&'static str>,
    /// Which users may have access to files that hold keys.
    pub(super) readers: Readers,
    /// Whether a part of the file that was not understood may be meant as an app.
    pub(super) hides_apps: bool,
}

/// The place where a value was given.
pub(super) struct Location {
    /// The line in the file, by which problems are sorted; `usize::MAX` for flags and variables.
    pub(super) line: usize,
    /// The beginning of messages about the value: file, line and key, or the name of the flag or variable.
    pub(super) said: String,
    pub(super) origin: Origin,
}

/// A table and its byte offset in the file.
pub(super) type Table<'a> = (usize, &'a DeTable<'a>);

impl Reading<'_> {
    /// Returns the number of the line at a byte offset of the file.
    pub(super) fn line(&self, at: usize) -> usize {
        self.text[..at.min(self.text.len())].matches('\n').count() + 1
    }

    /// Reports a problem at a byte offset of the file.
    pub(super) fn problem(&mut self, at: usize, said: impl fmt::Display) {
        let line = self.line(at);
        self.problems.push((line, format!("{}:{line}: {said}", self.file.display())));
    }

    /// Returns the folder against which relative paths in the file are resolved.
    fn folder(&self) -> PathBuf {
        self.file.parent().map(Path::to_owned).unwrap_or_default()
    }

    /// Stores all defaults in a draft and returns them as settings.
    pub(super) fn defaults<T>(keys: &'static [Key<T>], draft: &mut T) -> Vec<Setting> {
        (keys.iter())
            .map(|key| {
                let mut value = String::new();
                if !key.default.is_empty() {
                    let read = key.kind.read(&Given::Text(key.default), Path::new(""));
                    let read = read.expect("defaults can be parsed");
                    value = read.shown;
                    (read.store)(draft).expect("defaults are acceptable");
                }
                Setting { name: key.name, value, origin: Origin::Default }
            })
            .collect()
    }

    /// Returns the location of a key at a byte offset of the file.
    pub(super) fn location(&self, at: usize, name: &str) -> Location {
        let line = self.line(at);
        Location { line, said: format!("{}:{line}: {name}", self.file.display()), origin: Origin::File }
    }

    /// Reports an unknown key. `section` precedes its name, and `elsewhere` says whether it is a key of apps.
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
            None if elsewhere => "; it is a setting of an app and belongs under [[app]]".to_owned(),
            None if name
                .rsplit('.')
                .next()
                .is_some_and(|last| server_keys().iter().any(|key| key.name == last)) =>
            {
                "; it belongs above the first [section]".to_owned()
            }
            None => "; docs/configuration.md lists all keys".to_owned(),
        };
        let name = excerpt::plain(name);
        self.problem(at, format!("unknown configuration key {section}{name}{hint}"));
    }

    /// Parses and stores one value. Returns false, and reports a problem, if it is refused.
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
            // An empty value is most often a template variable that was never filled in.
            let other = if origin == Origin::Flag { "leave the flag out" } else { "unset it" };
            let said = format!("{said} is empty; give it {}, or {other}", key.kind.describe());
            self.problems.push((line, said));
            self.refused.push(key.name);
            return false;
        }
        let taken = key.kind.read(given, &base).and_then(|value| (value.store)(draft).map(|()| value.shown));
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
}

/// Formats an error with its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}
