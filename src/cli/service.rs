//! The server that a tool calls: its address and the credentials, a call to it, and the exit statuses.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::Value;

use super::{
    app_option::AppName,
    caller::{self, Caller},
    remote::{Asked, Remote, Reply},
    terminal::say,
};
use crate::{domain::UserId, excerpt};

/// Exit statuses other than 0 (success) and 1 (the service refused the call). `reference.rs` documents them.
pub(super) const UNUSABLE: u8 = 2;
pub(super) const ITEMS_REFUSED: u8 = 3;
pub(super) const NO_ANSWER: u8 = 4;

/// The options that select the server and the caller.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Options {
    /// The address of the server.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// A PEM file with the certificate authority that issued the server's certificate [default: the authorities that
    /// browsers trust].
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    #[command(flatten)]
    caller: caller::Options,
}

impl Options {
    /// Returns the credentials. Without `--app`, they are those of the first app that every `confold dev` has.
    pub(super) fn caller(&self) -> anyhow::Result<Caller> {
        self.caller.caller(Some(AppName::sample()))
    }

    /// Prepares calls with these credentials.
    pub(super) fn remote(&self, caller: &Caller) -> anyhow::Result<Remote> {
        Remote::new(&self.url, self.ca.as_deref(), caller)
    }
}

/// Makes a call and reads the reply.
///
/// # Errors
/// Returns an error if there is no reply of this API.
pub(super) fn ask(remote: &Remote, path: &str, body: &[u8], asked: Asked) -> anyhow::Result<(Reply, Value)> {
    let reply = remote.ask(path, body, asked).map_err(|error| remote.explain(&error))?;
    match serde_json::from_slice(&reply.body) {
        // Every reply of this API has a numeric `ErrorCode`.
        Ok(Value::Object(fields)) if fields.get("ErrorCode").is_some_and(Value::is_i64) => {
            Ok((reply, Value::Object(fields)))
        }
        _ => Err(remote.unexpected_reply()),
    }
}

/// Prints on standard error why the service refused the call. Returns whether it did.
pub(super) fn say_refusal(reply: &Reply, fields: &Value) -> bool {
    let code = fields["ErrorCode"].as_i64().unwrap_or_default();
    if code != 0 {
        let info = fields["ErrorInfo"].as_str().unwrap_or("without a reason");
        let request = reply.request.as_deref().map(|id| format!(", request {}", excerpt::plain(id)));
        say(format!("refused: {} ({code}{})", excerpt::line(info), request.unwrap_or_default()));
    }
    code != 0
}

/// Prints the server's explanation in addition to the reply, if there is one.
pub(super) fn say_hint(reply: &Reply) {
    if let Some(hint) = &reply.hint {
        say(format!("hint: {}", excerpt::line(hint)));
    }
}

/// Checks that a dry run was one. A server that does not know dry runs makes the call.
pub(super) fn confirms(reply: &Reply, dry_run: bool) -> bool {
    let confirms = !dry_run || reply.dry_run;
    if !confirms {
        say("error: this server does not know dry runs; it has made the call");
    }
    confirms
}

/// Prints an error, and returns the status.
pub(super) fn failed(status: u8, error: &anyhow::Error) -> ExitCode {
    say(format!("error: {error:#}"));
    ExitCode::from(status)
}

/// Parses the option `--user`.
pub(super) fn user(text: &str) -> Result<UserId, String> {
    UserId::parse(text).map_err(|reason| reason.to_string())
}
