//! `confold usersig` and `confold verify-usersig`: make and check signatures.

use std::process::ExitCode;

use clap::Args;

use super::{
    app_option::AppName,
    caller::{self, Caller},
    terminal::{print, print_if_read},
};
use crate::{
    api::flaw_code,
    auth::usersig::{self, DEFAULT_VALIDITY, Flaw, UserSig},
    clock::Clock,
    domain::utc,
    excerpt,
};

/// The options of `usersig`.
#[derive(Debug, Args)]
pub(super) struct Make {
    #[command(flatten)]
    caller: caller::Options,
    /// The identifier to sign for [default: the app's administrator].
    #[arg(long)]
    identifier: Option<String>,
    /// The validity in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_VALIDITY, value_parser = seconds)]
    expire: u64,
}

/// The options of `verify-usersig`.
#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    caller: caller::Options,
    /// The identifier that the signature should be for [default: the app's administrator].
    #[arg(long)]
    identifier: Option<String>,
    /// The signature.
    usersig: String,
}

pub(super) fn make(options: &Make) -> anyhow::Result<ExitCode> {
    let Caller { app, key, admin } = options.caller.caller(Some(AppName::sample()))?;
    let identifier = caller::identifier("--identifier", options.identifier.as_deref())?.unwrap_or(admin);
    print(usersig::make(app, &identifier, &key, Clock::system().now(), options.expire) + "\n")?;
    Ok(ExitCode::SUCCESS)
}

fn seconds(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "it must be a number of seconds, such as 86400 for a day".to_owned())
}

/// Describes a flaw in a signature, with the error code that a call with it would get.
fn reason(flaw: &Flaw) -> String {
    format!("{} ({})", excerpt::line(&usersig::in_words(flaw)), flaw_code(flaw).number())
}

pub(super) fn verify(options: &Verify) -> anyhow::Result<ExitCode> {
    let Caller { app, key, admin } = options.caller.caller(Some(AppName::sample()))?;
    let identifier = caller::identifier("--identifier", options.identifier.as_deref())?.unwrap_or(admin);
    let now = Clock::system().now();
    let decoded = match UserSig::decode(&options.usersig) {
        Ok(decoded) => decoded,
        Err(flaw) => {
            print_if_read(format!("The UserSig cannot be read: {}.\n", reason(&flaw)))?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let shown = excerpt::plain(&identifier);
    let (verdict, code) = match usersig::verify(&decoded, app, &identifier, &key, now) {
        Ok(()) => (format!("The UserSig is valid for {shown} of app {app}."), ExitCode::SUCCESS),
        Err(flaw) => {
            let said = format!("The UserSig is refused for {shown} of app {app}: {}.", reason(&flaw));
            (said, ExitCode::FAILURE)
        }
    };
    let claims = decoded.claims();
    print_if_read(format!(
        "identifier  {}\napp         {}\nmade at     {} ({})\nvalid until {} ({})\nnow         {} ({now})\n{verdict}\n",
        excerpt::plain(&claims.identifier),
        claims.app,
        utc(claims.issued_at),
        claims.issued_at,
        utc(claims.expires_at()),
        claims.expires_at(),
        utc(i64::try_from(now).unwrap_or(i64::MAX)),
    ))?;
    Ok(code)
}
