//! The log: text for people, JSON for machines, on standard error.

use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One readable line each.
    Text,
    /// One JSON object each.
    Json,
}

/// What is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogLevel {
    /// Nothing but failures of the server itself.
    Error,
    /// Also what an operator should look at.
    Warn,
    /// Also failed and slow calls.
    Info,
    /// Also every call.
    Debug,
}

/// Starts the log; called once by the command line.
pub fn start(format: LogFormat, level: LogLevel) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    // Of the libraries only what goes wrong.
    let of_ours = Targets::new().with_target("confold", level).with_default(level.min(LevelFilter::WARN));
    let log = tracing_subscriber::fmt().with_max_level(level).with_target(false).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => {
            let on_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
            log.with_ansi(on_terminal).finish().with(of_ours).init();
        }
        LogFormat::Json => log.json().flatten_event(true).finish().with(of_ours).init(),
    }
}
