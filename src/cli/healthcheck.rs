//! `confold healthcheck`: whether a server answers and its store does, for containers that have no curl.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{remote, terminal::print_if_read};

/// The options of `healthcheck`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The address of the server.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// The authority by which its certificate is checked, a PEM file.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let status = remote::status(&options.url, options.ca.as_deref(), "/readyz")?;
    print_if_read(if status == 200 { "ready\n" } else { "not ready\n" })?;
    Ok(if status == 200 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
