//! `confold healthcheck`: checks whether a server and its store are ready, for containers without curl.
//!
//! Another program may use the port, and some web servers answer every path with 200. So the body is checked, too: its
//! first line must be `ready` or begin with `not ready`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::bail;
use clap::Args;

use super::{
    connection::{self, Probe},
    terminal::print_if_read,
};
use crate::{excerpt, http::SPEAKS_TLS};

/// How many bytes of the answer are read, and how many of its lines are printed.
const BYTES: u64 = 16 * 1024;
const LINES: usize = 20;

/// The options of `healthcheck`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The address of the server.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// A PEM file with the certificate authority that issued the server's certificate.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let Probe { server, status, body } =
        connection::probe(&options.url, options.ca.as_deref(), "/readyz", BYTES)?;
    let text = String::from_utf8_lossy(&body);
    let first = text.split('\n').next().unwrap_or_default();
    let is_ready = status == 200 && first == "ready";
    let is_unready = status == 503 && first.starts_with("not ready");
    if !is_ready && !is_unready {
        match status {
            400 if text.contains(SPEAKS_TLS) => {
                bail!("{server} speaks TLS on this port; give an address that begins with https://")
            }
            300..=399 => bail!(
                "{server} answers with {status}, which is a redirection and is not followed; this is not confold's /readyz"
            ),
            _ => bail!("{server} answers with {status}, but not as confold's /readyz does"),
        }
    }
    let lines = text.trim_end().lines().take(LINES);
    print_if_read(lines.fold(String::new(), |printed, line| printed + &excerpt::line(line) + "\n"))?;
    Ok(if is_ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
