//! Pulls one user after another from a server, at a limited rate. Since the server may be hostile, the work and memory
//! for a user are limited by the most that a user can have.

use std::{collections::HashMap, time::Duration};

use anyhow::anyhow;
use serde_json::json;

use super::{remote::Remote, terminal::say};
use crate::{
    api::{Command, OWNER, START_INDEX},
    clock::Clock,
    domain::{
        Account, AppId, Conversation, Counters, Limits, Owner, ProfileTag, Restoration, RestoredRecord,
        UserId,
    },
    excerpt,
    interchange::{OrganizerLine, Refusable, ReplyPage, read_profile_reply, read_reply},
};

/// How many times a call with a temporary error is tried.
const TRIES: u32 = 6;
/// The most that a user can have under any limits.
const GROUPS: usize = Limits::OPEN.groups;
const RECORDS: usize = Limits::OPEN.grouped + Limits::OPEN.marked;
/// How many pages of a user may contain no new records. An empty last page is normal, and so are repetitions when
/// conversations change during the pull.
const IDLE_PAGES: usize = 100;
/// The longest total time to wait for the replies about one user.
const USER_WITHIN: Duration = Duration::from_secs(600);

/// Why a user could not be pulled.
pub(super) enum Failure {
    /// Pulling this user failed; others may succeed.
    User(String),
    /// No further user can be pulled.
    Pull(anyhow::Error),
}

/// Calls a server at a limited rate.
pub(super) struct Puller<'a> {
    remote: Remote,
    app: AppId,
    clock: &'a Clock,
    interval: Duration,
    next: Duration,
    /// The time spent waiting for replies about the current user.
    waited: Duration,
    /// Whether the server has ever answered. Before its first answer, errors that a wrong address may cause are not
    /// retried.
    reached: bool,
}

impl Puller<'_> {
    /// Creates a puller that makes at most `rate` calls per second.
    pub(super) fn new(remote: Remote, app: AppId, clock: &Clock, rate: u32) -> Puller<'_> {
        let interval = Duration::from_secs(1) / rate;
        Puller { remote, app, clock, interval, next: clock.elapsed(), waited: Duration::ZERO, reached: false }
    }

    /// Pulls the groups and marks of a user.
    pub(super) fn organizer(&mut self, name: &str) -> Result<OrganizerLine, Failure> {
        let user = UserId::parse(name).map_err(|reason| Failure::User(reason.to_string()))?;
        // Keep each record with its position in the server's list.
        let mut records: HashMap<Conversation, (usize, RestoredRecord)> = HashMap::new();
        let mut listed = 0;
        let (mut start, mut idle) = (0, 0);
        self.waited = Duration::ZERO;
        let groups = loop {
            let page = self.page(name, start)?;
            let before = records.len();
            // A record that changed during the pull is listed again. The newer version counts.
            for record in page.records {
                listed += 1;
                records.insert(record.conversation.clone(), (listed, record));
            }
            idle += usize::from(records.len() == before);
            if records.len() > RECORDS || page.groups.len() > GROUPS {
                return Err(endless(format!(
                    "a user may have at most {RECORDS} conversations and {GROUPS} groups, but the server returned \
                     more"
                )));
            }
            match page.next {
                None => break page.groups,
                Some(next) if next <= start => {
                    return Err(endless(format!(
                        "the server's pages do not advance: NextStartIndex {next} after {start}"
                    )));
                }
                Some(_) if idle > IDLE_PAGES => {
                    return Err(endless(format!("{idle} pages of the server contained nothing new")));
                }
                Some(_) if self.waited > USER_WITHIN => {
                    let minutes = USER_WITHIN.as_secs() / 60;
                    return Err(endless(format!(
                        "the server took longer than {minutes} minutes for this user"
                    )));
                }
                Some(next) => start = next,
            }
        };
        // Records of the same second keep the server's order, because an import numbers them in this order.
        let mut records: Vec<(usize, RestoredRecord)> = records.into_values().collect();
        records.sort_by_key(|(place, record)| (record.timestamp, *place));
        let records: Vec<RestoredRecord> = records.into_iter().map(|(_, record)| record).collect();
        let counters = Counters::default();
        let restoration = Restoration { counters, groups, records, makes_known: true };
        restoration.organizer().map_err(|unsound| {
            Failure::User(format!("the replies of the server contradict each other: {unsound}"))
        })?;
        let owner = Owner { app: self.app, user };
        Ok(OrganizerLine { owner, restoration })
    }

    /// Pulls the profile of a user, without the fields that cannot be stored. Returns `None` if the user does not exist.
    pub(super) fn account(&mut self, name: &str) -> Result<Option<Account>, Failure> {
        let tags: Vec<String> = ProfileTag::STANDARD.iter().map(ProfileTag::name).collect();
        let body = json!({ "To_Account": [name], "TagList": tags }).to_string();
        let reply = self.reply(Command::PortraitGet, &body, read_profile_reply)?;
        if reply.skipped > 0 {
            say(format!("{}: {} fields of the profile are left out", excerpt::plain(name), reply.skipped));
        }
        Ok(reply.account)
    }

    /// Pulls one page.
    fn page(&mut self, name: &str, start: i64) -> Result<ReplyPage, Failure> {
        let body = json!({ OWNER.name: name, START_INDEX.name: start }).to_string();
        self.reply(Command::GetContactGroup, &body, read_reply)
    }

    /// Makes a call and reads its reply. Temporary errors are retried.
    fn reply<T: Refusable>(
        &mut self,
        command: Command,
        body: &str,
        read: fn(&[u8]) -> Result<T, String>,
    ) -> Result<T, Failure> {
        let mut pause = Duration::from_millis(500);
        let mut attempt = 0;
        loop {
            attempt += 1;
            self.wait();
            let began = self.clock.elapsed();
            let reply = self.remote.call(&command.path(), body.as_bytes());
            self.waited += self.clock.elapsed().saturating_sub(began);
            self.reached |= reply.is_ok();
            match reply.map(|text| read(&text)) {
                Ok(Ok(page)) if !page.passes() || attempt == TRIES => return accepted(page),
                Ok(Err(reason)) => {
                    return Err(Failure::User(format!("the reply is invalid: {reason}")));
                }
                Err(ureq::Error::BodyExceedsLimit(most)) => {
                    return Err(Failure::User(format!("a reply of the server has more than {most} bytes")));
                }
                Err(error) if attempt == TRIES || !(self.reached || may_pass(&error)) => {
                    return Err(Failure::Pull(self.remote.explain(&error)));
                }
                Err(error) if !self.reached && attempt == 1 => {
                    // The address may be wrong, so report the error instead of retrying silently.
                    say(format!("{}; trying again", self.remote.explain(&error)));
                }
                Ok(Ok(_)) | Err(_) => {}
            }
            pause_for(pause);
            pause *= 2;
        }
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

/// Creates the error for a server that never finishes its list.
fn endless(said: String) -> Failure {
    Failure::User(said)
}

/// Returns the reply unless it is a refusal.
fn accepted<T: Refusable>(page: T) -> Result<T, Failure> {
    match page.refusal() {
        (0, _) => Ok(page),
        (code, info) if page.is_about_caller() => {
            let info = excerpt::line(info);
            Err(Failure::Pull(anyhow!("the server refuses every call: {info} ({code})")))
        }
        (code, info) => Err(Failure::User(format!("{} ({code})", excerpt::line(info)))),
    }
}

/// Returns whether an error may be temporary, unlike a wrong address, a bad certificate or a server of another kind.
fn may_pass(error: &ureq::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput};
    match error {
        ureq::Error::StatusCode(status) => matches!(status, 408 | 425 | 429 | 500..=599),
        // TLS errors are reported as invalid data.
        ureq::Error::Io(error) => !matches!(error.kind(), InvalidData | InvalidInput),
        ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed => true,
        _ => false,
    }
}

#[expect(clippy::disallowed_methods, reason = "limiting the rate requires real waiting")]
fn pause_for(time: Duration) {
    std::thread::sleep(time);
}
