//! The text format of Prometheus: families of metrics and their samples.

use std::fmt::{Arguments, Display, Write};

/// Builds a text, line by line.
pub(super) struct Exposition(String);

impl Exposition {
    /// Starts a text with room for `capacity` bytes.
    pub(super) fn with_capacity(capacity: usize) -> Exposition {
        Exposition(String::with_capacity(capacity))
    }

    /// Returns the text.
    pub(super) fn into_text(self) -> String {
        self.0
    }

    /// Begins a family of metrics, with its type and description.
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    /// Writes a family that consists of a single series.
    pub(super) fn alone(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// Writes one sample. Values of labels are not escaped, because none contains such a character.
    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        match labels.is_empty() {
            true => self.line(format_args!("{name} {value}")),
            false => self.line(format_args!("{name}{{{}}} {value}", labels.join(","))),
        }
    }

    fn line(&mut self, text: Arguments<'_>) {
        writeln!(self.0, "{text}").expect("writing to a string cannot fail");
    }
}
