//! The `confold` command.

use std::process::ExitCode;

/// The system's allocator did not return memory to the system: of 40 MiB used by hostile clients, it kept everything.
/// jemalloc returns memory within seconds (`bench/hostile`); `.cargo/config.toml` contains its settings.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    confold::cli::run()
}
