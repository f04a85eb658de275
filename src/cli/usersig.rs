//! `confold usersig` and `confold verify-usersig`.

use std::process::ExitCode;

use clap::Args;

use super::{
    app_option::SAMPLE_APP,
    caller::{self, Caller},
};
use crate::{
    auth::usersig::{self, Claims, DEFAULT_VALIDITY},
    clock::Clock,
};

/// The options of `usersig`.
#[derive(Debug, Args)]
pub(super) struct Make {
    #[command(flatten)]
    caller: caller::Options,
    /// Whose signature it shall be [default: the app's administrator].
    #[arg(long)]
    identifier: Option<String>,
    /// How many seconds it shall be valid.
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_VALIDITY)]
    expire: u64,
}

/// The options of `verify-usersig`.
#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    caller: caller::Options,
    /// Whose signature it should be [default: the app's administrator].
    #[arg(long)]
    identifier: Option<String>,
    /// The signature.
    usersig: String,
}

pub(super) fn make(options: &Make) -> anyhow::Result<ExitCode> {
    let Caller { app, key, admin } = options.caller.caller(Some(SAMPLE_APP))?;
    let identifier = caller::identifier("--identifier", options.identifier.as_deref())?.unwrap_or(admin);
    println!("{}", usersig::make(app, &identifier, &key, Clock::system().now(), options.expire));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn verify(options: &Verify) -> anyhow::Result<ExitCode> {
    let Caller { app, key, admin } = options.caller.caller(Some(SAMPLE_APP))?;
    let identifier = caller::identifier("--identifier", options.identifier.as_deref())?.unwrap_or(admin);
    let now = Clock::system().now();
    let claims = match Claims::decode(&options.usersig) {
        Ok(claims) => claims,
        Err(flaw) => {
            println!("The UserSig cannot be read: {flaw}.");
            return Ok(ExitCode::FAILURE);
        }
    };
    println!("identifier  {}", claims.identifier);
    println!("app         {}", claims.app);
    println!("made at     {} (seconds since 1970)", claims.issued_at);
    println!("valid until {}, the time now is {now}", claims.expires_at());
    match claims.check(app, &identifier, &key, now) {
        Ok(()) => {
            println!("The UserSig is good for {identifier} of app {app}.");
            Ok(ExitCode::SUCCESS)
        }
        Err(flaw) => {
            println!("The UserSig is refused for {identifier} of app {app}: {flaw}.");
            Ok(ExitCode::FAILURE)
        }
    }
}
