//! Pulling one user after the other from a server, at a steady pace. The server may be hostile: what it can make
//! us do and hold for a user is bounded by what a user can have at all.

use std::{collections::HashMap, time::Duration};

use anyhow::anyhow;
use serde_json::json;

use super::{remote::Remote, terminal::say};
use crate::{
    api::{Command, OWNER, START_INDEX},
    clock::Clock,
    domain::{AppId, Conversation, Counters, Limits, Owner, Restoration, RestoredRecord, UserId},
    excerpt,
    interchange::{OrganizerLine, ReplyPage, read_reply},
};

/// How often a call is tried that may go well the next time.
const TRIES: u32 = 6;
/// The most that a user can have, with any limits.
const GROUPS: usize = Limits::OPEN.groups;
const RECORDS: usize = Limits::OPEN.grouped + Limits::OPEN.marked;
/// How many pages of a user may bring no conversation that was not there before. An empty last page is usual,
/// and so are some of conversations that change meanwhile.
const IDLE_PAGES: usize = 100;
/// How long to wait for the replies about one user, in all.
const USER_WITHIN: Duration = Duration::from_secs(600);

/// Why a user could not be pulled.
pub(super) enum Failure {
    /// It is about this user; the others may go well.
    User(String),
    /// Nothing more can be pulled.
    Pull(anyhow::Error),
}

/// Calls at a steady pace.
pub(super) struct Puller<'a> {
    remote: Remote,
    app: AppId,
    clock: &'a Clock,
    interval: Duration,
    next: Duration,
    /// For the replies about the present user.
    waited: Duration,
    /// Whether the server has ever answered. Before that an error is not tried again that the address causes, and not
    /// the moment.
    reached: bool,
}

impl Puller<'_> {
    /// A puller that calls at most `rate` times a second.
    pub(super) fn new(remote: Remote, app: AppId, clock: &Clock, rate: u32) -> Puller<'_> {
        let interval = Duration::from_secs(1) / rate;
        Puller { remote, app, clock, interval, next: clock.elapsed(), waited: Duration::ZERO, reached: false }
    }

    /// What the server keeps for a user.
    pub(super) fn organizer(&mut self, name: &str) -> Result<OrganizerLine, Failure> {
        let user = UserId::parse(name).map_err(|reason| Failure::User(reason.to_string()))?;
        // Each with its place in what the server has listed.
        let mut records: HashMap<Conversation, (usize, RestoredRecord)> = HashMap::new();
        let mut listed = 0;
        let (mut start, mut idle) = (0, 0);
        self.waited = Duration::ZERO;
        let groups = loop {
            let page = self.page(name, start)?;
            let before = records.len();
            // What changed while it was pulled comes again, newer.
            for record in page.records {
                listed += 1;
                records.insert(record.conversation.clone(), (listed, record));
            }
            idle += usize::from(records.len() == before);
            if records.len() > RECORDS || page.groups.len() > GROUPS {
                return Err(endless(format!(
                    "a user has at most {RECORDS} conversations and {GROUPS} groups, and the server goes on"
                )));
            }
            match page.next {
                None => break page.groups,
                Some(next) if next <= start => {
                    return Err(endless(format!(
                        "the server's pages do not go on: NextStartIndex {next} after {start}"
                    )));
                }
                Some(_) if idle > IDLE_PAGES => {
                    return Err(endless(format!("{idle} pages of the server brought nothing new")));
                }
                Some(_) if self.waited > USER_WITHIN => {
                    let minutes = USER_WITHIN.as_secs() / 60;
                    return Err(endless(format!("the server takes longer than {minutes} minutes for it")));
                }
                Some(next) => start = next,
            }
        };
        // Records of the same second stay in the order in which the server lists them: an import numbers them so.
        let mut records: Vec<(usize, RestoredRecord)> = records.into_values().collect();
        records.sort_by_key(|(place, record)| (record.timestamp, *place));
        let records: Vec<RestoredRecord> = records.into_iter().map(|(_, record)| record).collect();
        let counters = Counters::default();
        let restoration = Restoration { counters, groups, records, makes_known: true };
        restoration.organizer().map_err(|unsound| {
            Failure::User(format!("what the server replies contradicts itself: {unsound}"))
        })?;
        let owner = Owner { app: self.app, user };
        Ok(OrganizerLine { owner, restoration })
    }

    /// One page; what may go well the next time is tried again.
    fn page(&mut self, name: &str, start: i64) -> Result<ReplyPage, Failure> {
        let body = json!({ OWNER.name: name, START_INDEX.name: start }).to_string();
        let mut pause = Duration::from_millis(500);
        for attempt in 1.. {
            self.wait();
            let began = self.clock.elapsed();
            let reply = self.remote.call(&Command::GetContactGroup.path(), body.as_bytes());
            self.waited += self.clock.elapsed().saturating_sub(began);
            self.reached |= reply.is_ok();
            match reply.map(|text| read_reply(&text)) {
                Ok(Ok(page)) if !page.passes() || attempt == TRIES => return accepted(page),
                Ok(Err(reason)) => {
                    return Err(Failure::User(format!("the reply cannot be understood: {reason}")));
                }
                Err(ureq::Error::BodyExceedsLimit(most)) => {
                    return Err(Failure::User(format!("a reply of the server has more than {most} bytes")));
                }
                Err(error) if attempt == TRIES || !(self.reached || may_pass(&error)) => {
                    return Err(Failure::Pull(self.remote.explain(&error)));
                }
                Err(error) if !self.reached && attempt == 1 => {
                    // It may be the address that is wrong: nobody shall wait in silence for that to pass.
                    say(format!("{}; trying again", self.remote.explain(&error)));
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

/// A server that would go on for ever.
fn endless(said: String) -> Failure {
    Failure::User(said)
}

/// A page that is not a refusal.
fn accepted(page: ReplyPage) -> Result<ReplyPage, Failure> {
    match page.code {
        0 => Ok(page),
        code if page.is_about_caller() => {
            let info = excerpt::line(&page.info);
            Err(Failure::Pull(anyhow!("the server refuses every call: {info} ({code})")))
        }
        code => Err(Failure::User(format!("{} ({code})", excerpt::line(&page.info)))),
    }
}

/// Whether an error on the way may pass by itself: the connection or the moment is to blame, and not the address, the
/// certificate or what the server is.
fn may_pass(error: &ureq::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput};
    match error {
        ureq::Error::StatusCode(status) => matches!(status, 408 | 425 | 429 | 500..=599),
        // Errors of TLS come as invalid data.
        ureq::Error::Io(error) => !matches!(error.kind(), InvalidData | InvalidInput),
        ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed => true,
        _ => false,
    }
}

#[expect(clippy::disallowed_methods, reason = "a pace is time that passes")]
fn pause_for(time: Duration) {
    std::thread::sleep(time);
}
