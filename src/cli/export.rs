//! `confold export`: everything of a data directory or of an app of a running server, as lines.

use std::{
    io::{self, BufWriter, IsTerminal, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    data,
    place::{self, Place},
    remote::Remote,
};
use crate::{domain::AppId, interchange::Export, store::Store};

/// The options of `export`.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    place: place::Options,
    /// The file to write, which appears when it is complete [default: standard output].
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What is exported.
pub(super) enum Source {
    Store(Arc<dyn Store>),
    Server(Remote),
}

pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let source = match options.place.open()? {
        Place::Data(store) => Source::Store(Arc::new(store)),
        Place::Server(remote) => Source::Server(remote),
        Place::Nothing(directory) => {
            bail!("there is no store in {}; it would hold a file confold.db", directory.display())
        }
    };
    let app = options.place.app();
    if let Some(file) = &options.output {
        to_file(file, source, app)?;
        return Ok(ExitCode::SUCCESS);
    }
    let hidden = match io::stdout().is_terminal() {
        true => ProgressDrawTarget::hidden(),
        false => ProgressDrawTarget::stderr_with_hz(5),
    };
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let written = write(source, app, &mut out, hidden);
    match written.and_then(|()| Ok(out.flush()?)) {
        // Whoever reads has had enough.
        Err(error) if broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        other => other.map(|()| ExitCode::SUCCESS),
    }
}

/// Whether a file can be written, for whoever wants to know long before.
pub(super) fn check_target(file: &Path) -> anyhow::Result<()> {
    target(file).map(drop)
}

/// A new file beside `file`, that may take its place.
fn target(file: &Path) -> anyhow::Result<tempfile::NamedTempFile> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let new = tempfile::Builder::new().prefix(".export-").tempfile_in(folder);
    // The temporary name of the error is nobody's business.
    new.map_err(|error| io::Error::from(error.kind()))
        .with_context(|| format!("cannot write {}", file.display()))
}

/// Writes a file, which appears when it is complete.
pub(super) fn to_file(file: &Path, source: Source, app: Option<AppId>) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", file.display());
    let mut new = target(file)?;
    let mut out = BufWriter::with_capacity(1 << 16, new.as_file_mut());
    write(source, app, &mut out, ProgressDrawTarget::stderr_with_hz(5))?;
    out.flush().with_context(failed)?;
    drop(out);
    new.as_file().sync_all().with_context(failed)?;
    new.persist(file).with_context(failed)?;
    Ok(())
}

fn broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn write(
    source: Source,
    app: Option<AppId>,
    out: &mut impl Write,
    target: ProgressDrawTarget,
) -> anyhow::Result<()> {
    let progress = ProgressBar::with_draw_target(None, target);
    progress.set_style(ProgressStyle::with_template("exporting {spinner} {bytes}, {bytes_per_sec}")?);
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
                out.write_all(&buffer[..read])?;
                progress.inc(read as u64);
            }
        }
    }
    progress.finish_and_clear();
    if progress.position() == 0 {
        eprintln!("nothing is kept{}", app.map(|app| format!(" for app {app}")).unwrap_or_default());
    }
    Ok(())
}

fn from_store(
    store: Arc<dyn Store>,
    app: Option<AppId>,
    out: &mut impl Write,
    progress: &ProgressBar,
) -> anyhow::Result<()> {
    let mut export = Export::new(store, app);
    data::wait(async {
        while let Some(lines) = export.next().await? {
            out.write_all(&lines)?;
            progress.inc(lines.len() as u64);
        }
        anyhow::Ok(())
    })
}
