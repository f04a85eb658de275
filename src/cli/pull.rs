//! `confold pull`: groups and marks from any server that speaks this API, Tencent's own among them, into
//! the file format.

use std::{
    collections::{HashMap, HashSet},
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::{caller, remote::Remote};
use crate::{
    api::Command,
    clock::Clock,
    domain::{AppId, Conversation, Counters, Organizer, Owner, RestoredRecord, UserId, restore},
    interchange::{Line, OrganizerLine, ReplyPage, read_line, read_reply, write_organizer},
};

/// How often a call is tried that may go well the next time.
const TRIES: u32 = 6;

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
    /// The file to write. Users that are in it already are passed over, so that an interrupted pull goes on.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Calls per second at the most; the service allows an app 200, for everything it does.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
}

/// Why a user could not be pulled.
enum Failure {
    /// It is about him; the others may go well.
    User(String),
    /// Nothing more can be pulled.
    Pull(anyhow::Error),
}

/// Calls at a steady pace.
struct Puller<'a> {
    remote: Remote,
    app: AppId,
    clock: &'a Clock,
    interval: Duration,
    next: Duration,
    /// Whether the server has ever answered: before that nothing is tried twice.
    reached: bool,
}

pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let caller = options.caller.caller(None)?;
    let failed = || format!("cannot read {}", options.users.display());
    let users = File::open(&options.users).with_context(failed)?;
    let (mut out, mut done) = reopen(&options.output, caller.app)
        .with_context(|| format!("cannot go on with {}", options.output.display()))?;
    let clock = Clock::system();
    let mut puller = Puller {
        remote: Remote::new(&options.url, options.ca.as_deref(), &caller)?,
        app: caller.app,
        clock: &clock,
        interval: Duration::from_secs(1) / options.rate,
        next: clock.elapsed(),
        reached: false,
    };
    let progress =
        ProgressBar::with_draw_target(Some(users.metadata()?.len()), ProgressDrawTarget::stderr_with_hz(5));
    progress.set_style(ProgressStyle::with_template("pulling {wide_bar} {percent} %, {eta} left")?);
    let (mut fetched, mut refused) = (0u64, 0u64);
    for line in BufReader::new(users).lines() {
        let line = line.with_context(failed)?;
        progress.inc(line.len() as u64 + 1);
        let name = line.trim_end_matches('\r');
        if name.is_empty() || done.contains(name) {
            continue;
        }
        match puller.organizer(name) {
            Ok(line) => {
                let mut text = Vec::new();
                write_organizer(&line, &mut text);
                out.write_all(&text).with_context(|| format!("cannot write {}", options.output.display()))?;
                fetched += 1;
                done.insert(name.to_owned());
            }
            Err(Failure::Pull(error)) => return Err(error),
            Err(Failure::User(reason)) => {
                progress.suspend(|| eprintln!("{name}: {reason}"));
                refused += 1;
            }
        }
    }
    progress.finish_and_clear();
    out.sync_all()?;
    println!("pulled {fetched}, already there {}, refused {refused}", done.len() as u64 - fetched);
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Opens what an earlier pull has written, without a last line that it could not finish, and tells whose
/// lines are there.
fn reopen(file: &Path, app: AppId) -> anyhow::Result<(File, HashSet<String>)> {
    let mut out =
        OpenOptions::new().create(true).read(true).write(true).truncate(false).mode(0o600).open(file)?;
    let mut done = HashSet::new();
    let (mut good, mut number, mut line) = (0, 0u64, Vec::new());
    let mut lines = BufReader::new(&mut out);
    while lines.read_until(b'\n', &mut line)? > 0 {
        if line.ends_with(b"\n") {
            good += line.len() as u64;
            number += 1;
            match read_line(&line) {
                Ok(Line::Organizer(line)) if line.owner.app == app => {
                    done.insert(line.owner.user.to_string());
                }
                Ok(_) => {
                    bail!("line {number} is of another app, or of another kind: it is no pull of app {app}")
                }
                Err(reason) => bail!("line {number}: {reason}"),
            }
        }
        line.clear();
    }
    out.set_len(good)?;
    out.seek(SeekFrom::Start(good))?;
    Ok((out, done))
}

impl Puller<'_> {
    /// What the server keeps for a user.
    fn organizer(&mut self, name: &str) -> Result<OrganizerLine, Failure> {
        let user = UserId::parse(name).map_err(|reason| Failure::User(reason.to_string()))?;
        let mut records: HashMap<Conversation, RestoredRecord> = HashMap::new();
        let mut start = 0;
        let groups = loop {
            let page = self.page(name, start)?;
            // What changed while it was pulled comes again, newer.
            records.extend(page.records.into_iter().map(|record| (record.conversation.clone(), record)));
            match page.next {
                None => break page.groups,
                Some(next) if next > start => start = next,
                Some(next) => {
                    let said =
                        format!("the server's pages do not go on: NextStartIndex {next} after {start}");
                    return Err(Failure::User(said));
                }
            }
        };
        let mut records: Vec<RestoredRecord> = records.into_values().collect();
        records.sort_by(|a, b| (a.timestamp, &a.conversation).cmp(&(b.timestamp, &b.conversation)));
        let counters = Counters::default();
        restore(&Organizer::default(), counters, groups.clone(), records.clone(), |_| 0).map_err(
            |unsound| Failure::User(format!("what the server replies contradicts itself: {unsound}")),
        )?;
        let owner = Owner { app: self.app, user };
        Ok(OrganizerLine { owner, known: true, counters, groups, records })
    }

    /// One page; what may go well the next time is tried again.
    fn page(&mut self, name: &str, start: i64) -> Result<ReplyPage, Failure> {
        let body = json!({ "From_Account": name, "StartIndex": start }).to_string();
        let mut pause = Duration::from_millis(500);
        for attempt in 1.. {
            self.wait();
            let reply = self.remote.call(&Command::GetContactGroup.path(), body.as_bytes());
            self.reached |= reply.is_ok();
            match reply.map(|text| read_reply(&text)) {
                Ok(Ok(page)) if !passes(page.code) || attempt == TRIES => return accepted(page),
                Ok(Err(reason)) => {
                    return Err(Failure::User(format!("the reply cannot be understood: {reason}")));
                }
                Err(error) if attempt == TRIES || !self.reached => {
                    return Err(Failure::Pull(self.remote.unreached(&error)));
                }
                Ok(Ok(_)) | Err(_) => {}
            }
            pause_for(pause);
            pause *= 2;
        }
        unreachable!("the last try returns")
    }

    /// Waits until the next call is due.
    fn wait(&mut self) {
        let now = self.clock.elapsed();
        if let Some(early) = self.next.checked_sub(now) {
            pause_for(early);
        }
        self.next = self.next.max(now) + self.interval;
    }
}

/// A page that is no refusal.
fn accepted(page: ReplyPage) -> Result<ReplyPage, Failure> {
    match page.code {
        0 => Ok(page),
        code if is_about_caller(code) => {
            Err(Failure::Pull(anyhow!("the server refuses every call: {} ({code})", page.info)))
        }
        code => Err(Failure::User(format!("{} ({code})", page.info))),
    }
}

/// Whether an error passes by itself: too many calls, a time-out, a fault inside.
fn passes(code: i64) -> bool {
    matches!(code, 60007 | 60008 | 60011 | 60014 | 60018 | 60019 | 50004 | 50005 | 70169 | 70202 | 70500)
}

/// Whether a code says that nothing of this caller is taken, whomever he asks about: no later call can go
/// well either.
fn is_about_caller(code: i64) -> bool {
    matches!(code, 70_001..=70_060 | 60_002..=60_006 | 60_009 | 60_010 | 60_012 | 60_016 | 60_017 | 60_020 | 60_021)
}

#[expect(clippy::disallowed_methods, reason = "a pace is time that passes")]
fn pause_for(time: Duration) {
    std::thread::sleep(time);
}
