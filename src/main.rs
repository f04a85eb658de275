//! The `confold` command.

use std::process::ExitCode;

/// The system's allocator keeps what it was given once: of 40 MiB that hostile readers had held, none came back.
/// This one returns it within seconds (`bench/hostile`); how is set in `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    confold::cli::run()
}
