//! The `confold` command.

use std::process::ExitCode;

/// The allocator of the C library did not return memory to the system: it kept all of the 40 MiB that hostile clients
/// had used. jemalloc returns memory within seconds (`bench/hostile`); `.cargo/config.toml` contains its settings.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    confold::cli::run()
}
