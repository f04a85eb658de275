//! `confold export`: everything of a data directory or of an app of a running server, as lines.

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
    /// The file to write, which appears when it is complete; a device or a FIFO is written into, and - is
    /// standard output [default: standard output].
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What is exported.
pub(super) enum Source {
    Store(Arc<dyn Store>),
    Server(Remote),
}

pub(super) fn run(options: &Options, signals: &Signals) -> anyhow::Result<ExitCode> {
    signals.set_advice(": the export is not complete, and an output file is left as it was; run it again");
    let source = match options.place.open()? {
        Place::Data(store) => Source::Store(Arc::new(store)),
        Place::Server(remote) => Source::Server(remote),
        Place::Nothing(directory) => {
            bail!("there is no store in {}; it would hold a file confold.db", directory.display())
        }
    };
    to(options.output.as_deref().unwrap_or(Path::new("-")), source, options.place.app())?;
    Ok(ExitCode::SUCCESS)
}

/// Exports to a path. A file appears when it is complete.
pub(super) fn to(path: &Path, source: Source, app: Option<AppId>) -> anyhow::Result<()> {
    let mut out = Output::open(path)?.for_json();
    let progress = match out.is_terminal() {
        true => Progress::hidden(),
        false => Progress::endless("exporting"),
    };
    write(source, app, &mut out, progress)?;
    out.finish()?;
    Ok(())
}

fn write(source: Source, app: Option<AppId>, out: &mut Output, progress: Progress) -> anyhow::Result<()> {
    match source {
        Source::Store(store) => from_store(store, app, out, &progress)?,
        Source::Server(remote) => {
            let mut lines = remote.lines("/interchange/export")?;
            let mut buffer = vec![0; 1 << 16];
            loop {
                let read =
                    lines.read(&mut buffer).context("the export breaks off; what was written is not all")?;
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
        say(format!("nothing is kept{}", app.map(|app| format!(" for app {app}")).unwrap_or_default()));
    }
    Ok(())
}

fn from_store(
    store: Arc<dyn Store>,
    app: Option<AppId>,
    out: &mut Output,
    progress: &Progress,
) -> anyhow::Result<()> {
    let mut export = Export::new(store, app);
    data::wait(async {
        while let Some(lines) = export.next().await? {
            out.write(&lines)?;
            progress.inc(lines.len() as u64);
        }
        anyhow::Ok(())
    })
}
