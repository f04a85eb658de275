//! The JSON log format: one object per line with the time, the level, the message and all fields.

use std::fmt::{self, Debug, Write};

use serde_json::Value;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

use super::list;

/// Formats events as JSON.
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = Line(String::with_capacity(256));
        line.member("timestamp", &Value::from(time));
        line.member("level", &Value::from(event.metadata().level().as_str()));
        event.record(&mut line);
        writeln!(out, "{{{}}}", line.0)
    }
}

/// The members of a JSON object, as text.
struct Line(String);

impl Line {
    fn member(&mut self, name: &str, value: &impl fmt::Display) {
        let comma = if self.0.is_empty() { "" } else { "," };
        let name = Value::from(name.strip_prefix("r#").unwrap_or(name));
        write!(self.0, "{comma}{name}:{value}").expect("writing to a string cannot fail");
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field.name(), &Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field.name(), &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field.name(), &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field.name(), &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field.name(), &Value::from(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        match text.starts_with('[').then(|| list::json(value)).flatten() {
            Some(list) => self.member(field.name(), &list),
            None => self.member(field.name(), &Value::from(text)),
        }
    }
}
