//! `confold pull`: groups and marks from any server that speaks this API, Tencent's own among them, into
//! the file format.

use std::{
    collections::HashSet,
    fs::{File, TryLockError},
    io::{BufRead, BufReader, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::Args;

use super::{
    caller,
    progress::Progress,
    puller::{Failure, Puller},
    remote::Remote,
    terminal::{print_if_read, say},
};
use crate::{
    clock::Clock,
    domain::AppId,
    excerpt,
    interchange::{Line, UnknownFields, read_line, write_organizer},
    output::{Continued, Output},
    signals::Signals,
    text_file,
};

/// The options of `pull`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The server, for example <https://console.tim.qq.com>.
    #[arg(long, value_name = "URL")]
    url: String,
    /// The authority by which the server's certificate is checked, a PEM file [default: those that
    /// browsers trust].
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    #[command(flatten)]
    caller: caller::Options,
    /// The users, one id a line.
    #[arg(long, value_name = "FILE")]
    users: PathBuf,
    /// The file to write. Users that are in it already are passed over, so that an interrupted pull goes on. A
    /// device or a FIFO is written into, and - is standard output; they remember nothing of an earlier pull.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Calls per second at the most; the service allows an app 200, for everything it does.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = calls_per_second)]
    rate: u32,
}

/// Where pulled users go.
enum Sink {
    File(File),
    Stream(Output),
}

fn calls_per_second(text: &str) -> Result<u32, String> {
    let rate = text.parse().ok().filter(|rate| *rate > 0);
    rate.ok_or_else(|| "it is a number of calls per second from 1".to_owned())
}

pub(super) fn run(options: &Options, signals: &Signals) -> anyhow::Result<ExitCode> {
    signals.set_advice(": run the same command again; with an output file it goes on where it stopped");
    let caller = options.caller.caller(None)?;
    let failed = || format!("cannot read {}", options.users.display());
    let users = File::open(&options.users).with_context(failed)?;
    let (mut sink, mut done) = reopen(&options.output, caller.app)?;
    let remote = Remote::new(&options.url, options.ca.as_deref(), &caller)?;
    let clock = Clock::system();
    let mut puller = Puller::new(remote, caller.app, &clock, options.rate);
    let progress = Progress::share("pulling", users.metadata()?.len());
    let (mut fetched, mut refused) = (0u64, 0u64);
    let mut users = BufReader::new(users);
    text_file::skip_bom(&mut users).with_context(failed)?;
    for (index, line) in users.split(b'\n').enumerate() {
        let line = line.with_context(failed)?;
        progress.inc(line.len() as u64 + 1);
        let name = user_of(&line).with_context(|| format!("{}:{}", options.users.display(), index + 1))?;
        if name.is_empty() || done.contains(name) {
            continue;
        }
        match puller.organizer(name) {
            Ok(line) => {
                let mut text = Vec::new();
                write_organizer(&line, &mut text);
                sink.write(&text, &options.output)?;
                fetched += 1;
                done.insert(name.to_owned());
            }
            Err(Failure::Pull(error)) => return Err(error),
            Err(Failure::User(reason)) => {
                progress.say(&format!("{}: {}", excerpt::plain(name), excerpt::line(&reason)));
                refused += 1;
            }
        }
    }
    drop(progress);
    let summary =
        format!("pulled {fetched}, already there {}, refused {refused}", done.len() as u64 - fetched);
    match sink {
        Sink::File(file) => {
            file.sync_all()?;
            print_if_read(summary + "\n")?;
        }
        Sink::Stream(out) => {
            let standard = out.is_standard();
            out.finish()?;
            // Among the lines it would be taken for one.
            if standard { say(summary) } else { print_if_read(summary + "\n")? }
        }
    }
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The user whom a line of the list names.
fn user_of(line: &[u8]) -> anyhow::Result<&str> {
    let text =
        std::str::from_utf8(line).ok().context("the line is not UTF-8, and a user id is plain ASCII")?;
    Ok(text.trim_end_matches('\r'))
}

impl Sink {
    /// Writes a line at once: what was pulled is not pulled again.
    fn write(&mut self, line: &[u8], path: &Path) -> anyhow::Result<()> {
        match self {
            Sink::File(file) => {
                file.write_all(line).with_context(|| format!("cannot write {}", path.display()))
            }
            Sink::Stream(out) => {
                out.write(line)?;
                Ok(out.flush()?)
            }
        }
    }
}

/// Opens the output. Of a file that an earlier pull has written, a last line that is not complete goes away, and
/// the users of the others are returned.
fn reopen(path: &Path, app: AppId) -> anyhow::Result<(Sink, HashSet<String>)> {
    let mut file = match Continued::open(path)? {
        Continued::Stream(out) => return Ok((Sink::Stream(out.for_json()), HashSet::new())),
        Continued::File(file) => file,
    };
    let cannot = || format!("cannot go on with {}", path.display());
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => bail!("{}: another pull is writing it", cannot()),
        // Where there are no locks, nothing is locked.
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    let done = users_in(&mut file, app).with_context(cannot)?;
    Ok((Sink::File(file), done))
}

fn users_in(file: &mut File, app: AppId) -> anyhow::Result<HashSet<String>> {
    let mut done = HashSet::new();
    let (mut good, mut number, mut line) = (0, 0u64, Vec::new());
    let mut lines = BufReader::new(&mut *file);
    while lines.read_until(b'\n', &mut line)? > 0 {
        if line.ends_with(b"\n") {
            good += line.len() as u64;
            number += 1;
            match read_line(&line, UnknownFields::Ignored) {
                Ok(Line::Organizer(line)) if line.owner.app == app => {
                    done.insert(line.owner.user.to_string());
                }
                Ok(_) => {
                    bail!(
                        "line {number} is of another app, or of another kind: it is not a pull of app {app}"
                    )
                }
                Err(reason) => bail!("line {number}: {reason}"),
            }
        }
        line.clear();
    }
    file.set_len(good)?;
    file.seek(SeekFrom::Start(good))?;
    Ok(done)
}
