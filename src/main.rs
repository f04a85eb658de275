//! The `confold` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    confold::cli::run().unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
