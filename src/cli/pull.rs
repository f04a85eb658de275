//! `confold pull`: reads groups, marks and recent conversations from any server with this API, including Tencent's own, and
//! writes them in the import format.

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
    interchange::{Line, UnknownFields, read_line, write_account, write_organizer, write_sessions_of},
    output::{Continued, Output},
    signals::Signals,
    text_file,
};

/// The options of `pull`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The address of the server, for example <https://console.tim.qq.com>.
    #[arg(long, value_name = "URL")]
    url: String,
    /// A PEM file with the certificate authority that issued the server's certificate [default: the authorities that
    /// browsers trust].
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    #[command(flatten)]
    caller: caller::Options,
    /// A file with the ids of the users, one per line.
    #[arg(long, value_name = "FILE")]
    users: PathBuf,
    /// The file to write. Users that it already contains are skipped, so that an interrupted pull can be continued. A
    /// device or FIFO is written to directly, and - is standard output; a pull to one of these always starts from the
    /// beginning.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Also pull the users' profiles, with the fields that are the same in every app.
    #[arg(long)]
    profiles: bool,
    /// The most calls per second. The original service allows an app 200 in total.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = calls_per_second)]
    rate: u32,
}

/// The destination of pulled users.
enum Sink {
    File(File),
    Stream(Output),
}

fn calls_per_second(text: &str) -> Result<u32, String> {
    let rate = text.parse().ok().filter(|rate| *rate > 0);
    rate.ok_or_else(|| "must be a number of at least 1".to_owned())
}

pub(super) fn run(options: &Options, signals: &Signals) -> anyhow::Result<ExitCode> {
    signals.set_advice(": run the same command again; with an output file, it continues where it stopped");
    let caller = options.caller.caller(None)?;
    let failed = || format!("cannot read {}", options.users.display());
    let users = File::open(&options.users).with_context(failed)?;
    let (mut sink, mut done) = reopen(&options.output, caller.app)?;
    let remote = Remote::new(&options.url, options.ca.as_deref(), &caller)?;
    let clock = Clock::system();
    let mut puller = Puller::new(remote, caller.app, &clock, options.rate);
    let progress = Progress::share("pulling", users.metadata()?.len());
    let (mut fetched, mut refused, mut without_list) = (0u64, 0u64, 0u64);
    let mut users = BufReader::new(users);
    text_file::skip_bom(&mut users).with_context(failed)?;
    for (index, line) in users.split(b'\n').enumerate() {
        let line = line.with_context(failed)?;
        progress.inc(line.len() as u64 + 1);
        let name = user_of(&line).with_context(|| format!("{}:{}", options.users.display(), index + 1))?;
        if name.is_empty() || done.contains(name) {
            continue;
        }
        let account = if options.profiles { puller.account(name) } else { Ok(None) };
        let answers = account.and_then(|account| {
            let line = puller.organizer(name)?;
            let sessions = puller.sessions(&line.owner)?;
            Ok((account, line, sessions))
        });
        match answers {
            Ok((account, line, sessions)) => {
                let mut text = Vec::new();
                if let Some(account) = account {
                    write_account(&line.owner, &account, &mut text);
                }
                match sessions {
                    Some(sessions) => write_sessions_of(&sessions, &mut text),
                    None => without_list += 1,
                }
                // This line comes last, because it makes a continued pull skip the user.
                write_organizer(&line, &mut text);
                sink.write(&text, &options.output)?;
                fetched += 1;
                done.insert(name.to_owned());
            }
            Err(Failure::Pull(error) | Failure::NoSuchPath(error)) => return Err(error),
            Err(Failure::User(reason)) => {
                progress.say(&format!("{}: {}", excerpt::plain(name), excerpt::line(&reason)));
                refused += 1;
            }
        }
    }
    drop(progress);
    let without = match without_list {
        0 => String::new(),
        number => format!(", without recent list {number}"),
    };
    let summary = format!(
        "pulled {fetched}, already there {}, refused {refused}{without}",
        done.len() as u64 - fetched
    );
    match sink {
        Sink::File(file) => {
            file.sync_all()?;
            print_if_read(summary + "\n")?;
        }
        Sink::Stream(out) => {
            let standard = out.is_standard();
            out.finish()?;
            // The summary must not appear among the lines of the output.
            if standard { say(summary) } else { print_if_read(summary + "\n")? }
        }
    }
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns the user that a line of the list names.
fn user_of(line: &[u8]) -> anyhow::Result<&str> {
    let text = std::str::from_utf8(line).ok().context("the line is not UTF-8; a user id must be ASCII")?;
    Ok(text.trim_end_matches('\r'))
}

impl Sink {
    /// Writes a line immediately, so that an interrupted pull does not repeat it.
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

/// Opens the output. In a file of an earlier pull, an incomplete last line is removed, and the users of the complete
/// lines are returned.
fn reopen(path: &Path, app: AppId) -> anyhow::Result<(Sink, HashSet<String>)> {
    let mut file = match Continued::open(path)? {
        Continued::Stream(out) => return Ok((Sink::Stream(out.for_json()), HashSet::new())),
        Continued::File(file) => file,
    };
    let cannot = || format!("cannot continue {}", path.display());
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => bail!("{}: another pull is writing to it", cannot()),
        // Some file systems do not support locks. Continue without one.
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
                // The lines of a user's profile and recent conversations come before that of the user.
                Ok(Line::Account { owner, .. }) if owner.app == app => {}
                Ok(Line::Sessions(line)) if line.owner.app == app => {}
                Ok(_) => {
                    bail!("line {number} is not a user of app {app}, so the file is not a pull of this app")
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
