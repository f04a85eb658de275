//! The `confold` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    confold::cli::run()
}
