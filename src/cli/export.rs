//! `confold export`: writes all data of a data directory, or of one app of a running server, as NDJSON lines.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, bail};
use clap::Args;

use super::{
    data,
    place::{self, Place},
    progress::Progress,
    remote::Remote,
    terminal::say,
};
use crate::{domain::AppId, interchange::Export, output::Output, signals::Signals, store::Store};

/// The options of `export`.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    place: place::Options,
    /// The file to write, which appears when it is complete. A device or FIFO is written to directly; - is standard
    /// output [default: standard output].
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What is exported.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    Store(&'a Arc<dyn Store>),
    Server(&'a Remote),
}

pub(super) fn run(options: &Options, signals: &Signals) -> anyhow::Result<ExitCode> {
    signals.set_advice(
        ": the export is not complete, and an existing output file was not changed; run the command again",
    );
    options.place.open()?.close_after(|place| {
        let source = match place {
            Place::Data(store) => Source::Store(store),
            Place::Server(remote) => Source::Server(remote),
            Place::Nothing(directory) => {
                bail!("there is no store in {}: it has no file confold.db", directory.display())
            }
        };
        to(options.output.as_deref().unwrap_or(Path::new("-")), source, options.place.app())
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Exports to a path.
pub(super) fn to(path: &Path, source: Source<'_>, app: Option<AppId>) -> anyhow::Result<()> {
    let mut out = Output::open(path)?.for_json();
    let progress = match out.is_terminal() {
        true => Progress::hidden(),
        false => Progress::endless("exporting"),
    };
    write(source, app, &mut out, progress)?;
    out.finish()?;
    Ok(())
}

fn write(source: Source<'_>, app: Option<AppId>, out: &mut Output, progress: Progress) -> anyhow::Result<()> {
    match source {
        Source::Store(store) => from_store(store, app, out, &progress)?,
        Source::Server(remote) => {
            let mut lines = remote.lines("/interchange/export")?;
            let mut buffer = vec![0; 1 << 16];
            loop {
                let read = lines.read(&mut buffer).context("the export was cut off and is not complete")?;
                if read == 0 {
                    break;
                }
                out.write(&buffer[..read])?;
                progress.inc(read as u64);
            }
        }
    }
    let is_empty = progress.position() == 0;
    drop(progress);
    if is_empty {
        say(format!("there is no data{}", app.map(|app| format!(" for app {app}")).unwrap_or_default()));
    }
    Ok(())
}

fn from_store(
    store: &Arc<dyn Store>,
    app: Option<AppId>,
    out: &mut Output,
    progress: &Progress,
) -> anyhow::Result<()> {
    let mut export = Export::new(Arc::clone(store), app);
    data::wait(async {
        while let Some(lines) = export.next().await? {
            out.write(&lines)?;
            progress.inc(lines.len() as u64);
        }
        anyhow::Ok(())
    })
}
