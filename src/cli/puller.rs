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
    interchange::{
        Cursor, OrganizerLine, Refusable, ReplyPage, SessionItem, SessionsLine, read_profile_reply,
        read_recent_reply, read_reply,
    },
};

/// How many times a call with a temporary error is tried.
const TRIES: u32 = 6;
/// The most that a user can have under any limits. The bound of records also holds for recent conversations.
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
    /// The server answers with an HTTP status that it gives paths that it does not have.
    NoSuchPath(anyhow::Error),
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
    /// Whether the server has recent lists, as far as is known.
    has_lists: bool,
}

impl Puller<'_> {
    /// Creates a puller that makes at most `rate` calls per second.
    pub(super) fn new(remote: Remote, app: AppId, clock: &Clock, rate: u32) -> Puller<'_> {
        let interval = Duration::from_secs(1) / rate;
        let next = clock.elapsed();
        let waited = Duration::ZERO;
        Puller { remote, app, clock, interval, next, waited, reached: false, has_lists: true }
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
                return Err(Failure::User(format!(
                    "a user may have at most {RECORDS} conversations and {GROUPS} groups, but the server returned \
                     more"
                )));
            }
            match page.next {
                None => break page.groups,
                Some(next) if next <= start => {
                    return Err(Failure::User(format!(
                        "the server's pages do not advance: NextStartIndex {next} after {start}"
                    )));
                }
                Some(next) => start = next,
            }
            self.check_progress(idle)?;
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

    /// Pulls the recent list of a user whose groups were just pulled. Returns `None` if the server does not have such lists or
    /// refuses this one, which is reported.
    pub(super) fn sessions(&mut self, owner: &Owner) -> Result<Option<SessionsLine>, Failure> {
        let user = excerpt::plain(owner.user.as_str());
        // Keep each session with its position in the server's list.
        let mut sessions: HashMap<Conversation, (usize, SessionItem)> = HashMap::new();
        let (mut listed, mut skipped, mut idle) = (0, 0, 0);
        let mut cursor = Cursor::default();
        while self.has_lists {
            let body = cursor.request(owner.user.as_str());
            let page = match self.answer(Command::GetList, &body, read_recent_reply) {
                Err(Failure::NoSuchPath(error)) => {
                    self.leave_lists_out(&format!("{error:#}"));
                    break;
                }
                answer => answer?,
            };
            match page.refusal() {
                (0, _) => {}
                _ if page.passes() || page.is_about_signature() => {}
                // The server has just answered another call, so the refusal is about the command.
                (code, info) if page.is_about_caller() => {
                    self.leave_lists_out(&format!("{} ({code})", excerpt::line(info)));
                    break;
                }
                (code, info) => {
                    say(format!("{user}: the recent list is left out: {} ({code})", excerpt::line(info)));
                    break;
                }
            }
            let page = accepted(page)?;
            let before = sessions.len();
            skipped += page.skipped;
            // A session that moved during the pull is listed again. The newer version counts.
            for session in page.sessions {
                listed += 1;
                sessions.insert(session.conversation.clone(), (listed, session));
            }
            idle += usize::from(sessions.len() == before);
            if sessions.len() > RECORDS {
                return Err(Failure::User(format!(
                    "a user may have at most {RECORDS} recent conversations, but the server returned more"
                )));
            }
            match page.next {
                None => {
                    if skipped > 0 {
                        say(format!("{user}: {skipped} recent conversations are left out"));
                    }
                    let mut sessions: Vec<(usize, SessionItem)> = sessions.into_values().collect();
                    sessions.sort_by_key(|(place, _)| *place);
                    let sessions = sessions.into_iter().map(|(_, session)| session).collect();
                    return Ok(Some(SessionsLine { owner: owner.clone(), sessions }));
                }
                Some(next) if next == cursor => {
                    let said = "the server's pages of recent conversations do not advance";
                    return Err(Failure::User(said.to_owned()));
                }
                Some(next) => cursor = next,
            }
            self.check_progress(idle)?;
        }
        Ok(None)
    }

    /// Reports that no recent lists will be pulled.
    fn leave_lists_out(&mut self, reason: &str) {
        self.has_lists = false;
        say(format!("the recent lists are left out, because the server refuses get_list: {reason}"));
    }

    /// Fails if the server's pages about the current user take too long, or contain nothing new too often.
    fn check_progress(&self, idle: usize) -> Result<(), Failure> {
        if idle > IDLE_PAGES {
            return Err(Failure::User(format!("{idle} pages of the server contained nothing new")));
        }
        if self.waited > USER_WITHIN {
            let minutes = USER_WITHIN.as_secs() / 60;
            let said = format!("the server took longer than {minutes} minutes for this user");
            return Err(Failure::User(said));
        }
        Ok(())
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

    /// Makes a call and reads its reply, which must not be a refusal.
    fn reply<T: Refusable>(
        &mut self,
        command: Command,
        body: &str,
        read: fn(&[u8]) -> Result<T, String>,
    ) -> Result<T, Failure> {
        accepted(self.answer(command, body, read)?)
    }

    /// Makes a call and reads its reply, which may be a refusal. Temporary errors are retried.
    fn answer<T: Refusable>(
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
                Ok(Ok(page)) if !page.passes() || attempt == TRIES => return Ok(page),
                Ok(Err(reason)) => {
                    return Err(Failure::User(format!("the reply is invalid: {reason}")));
                }
                Err(ureq::Error::BodyExceedsLimit(most)) => {
                    return Err(Failure::User(format!("a reply of the server has more than {most} bytes")));
                }
                Err(error @ ureq::Error::StatusCode(404 | 405)) => {
                    return Err(Failure::NoSuchPath(self.remote.explain(&error)));
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
