//! The effective configuration, for `confold check-config`.

use std::fmt::Write;

use super::{LoadedConfig, Origin, Setting};

const WRITTEN: &str = "writing to a string cannot fail";

/// Formats the effective configuration as TOML, with the origin of each value as a comment.
pub(super) fn effective(loaded: &LoadedConfig) -> String {
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
    for ((app, callback), webhooks) in loaded.apps.iter().zip(&loaded.callbacks).zip(&loaded.webhooks) {
        text.push_str("\n[[app]]\n");
        for setting in app {
            line(&mut text, setting.name, setting);
        }
        if !callback.is_empty() {
            text.push_str("\n[app.callback]\n");
        }
        for setting in callback {
            line(&mut text, setting.name, setting);
        }
        for webhook in webhooks {
            text.push_str("\n[[app.webhook]]\n");
            for setting in webhook {
                line(&mut text, setting.name, setting);
            }
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
