//! Every message that is written to the log, with its level. The page about operations lists the same messages, and a
//! test compares the two.

use std::fmt::{self, Display, Formatter};

use tracing::Level;

pub(crate) use tracing::field::display as unquoted;

/// A message of the log. In its text, `…` stands for each of its variable parts.
pub(crate) struct Line<const PARTS: usize> {
    pub(crate) level: Level,
    text: &'static str,
}

impl<const PARTS: usize> Line<PARTS> {
    /// Returns the message with its variable parts filled in. It is formatted only when it is displayed.
    pub(crate) const fn with<'a>(&self, parts: [&'a dyn Display; PARTS]) -> Message<'a, PARTS> {
        Message { text: self.text, parts }
    }

    /// Returns the message as a value that can be written to the log later.
    pub(crate) fn found(&self, parts: [&dyn Display; PARTS]) -> Finding {
        Finding { level: self.level, text: self.with(parts).to_string() }
    }
}

/// A message with its variable parts filled in.
pub(crate) struct Message<'a, const PARTS: usize> {
    text: &'static str,
    parts: [&'a dyn Display; PARTS],
}

impl<const PARTS: usize> Display for Message<'_, PARTS> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut fixed = self.text.split('…');
        f.write_str(fixed.next().unwrap_or_default())?;
        self.parts.iter().zip(fixed).try_for_each(|(part, after)| write!(f, "{part}{after}"))
    }
}

/// Something that was found before the log was started, or that is not only logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    level: Level,
    text: String,
}

impl Finding {
    /// Writes the finding to the log.
    pub(crate) fn log(&self) {
        // A level has to be constant where an event is written.
        match self.level {
            Level::ERROR => tracing::event!(Level::ERROR, "{self}"),
            Level::WARN => tracing::event!(Level::WARN, "{self}"),
            Level::INFO => tracing::event!(Level::INFO, "{self}"),
            _ => tracing::event!(Level::DEBUG, "{self}"),
        }
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Counts the variable parts of a text.
const fn parts(text: &str) -> usize {
    let mark = "…".as_bytes();
    let (bytes, mut at, mut count) = (text.as_bytes(), 0, 0);
    while at + mark.len() <= bytes.len() {
        if bytes[at] == mark[0] && bytes[at + 1] == mark[1] && bytes[at + 2] == mark[2] {
            count += 1;
        }
        at += 1;
    }
    count
}

/// Writes a line to the log: `log!(READY_FILE_UNWRITTEN[path.display()], %error)`. The name is that of a constant of
/// this module, the brackets contain the variable parts of its text, and fields follow as in the macros of `tracing`.
macro_rules! log {
    ($line:ident $([$($part:expr),+ $(,)?])? $(, $($fields:tt)*)?) => {
        tracing::event!(
            $crate::log_lines::$line.level,
            { $($($fields)*)? },
            "{}",
            $crate::log_lines::$line.with([$($(&$part),+)?])
        )
    };
}

pub(crate) use log;

/// Declares the lines. Each becomes a constant, so that the compiler finds those that are not used any more.
macro_rules! lines {
    ($($name:ident: $level:ident $text:literal;)+) => {
        $(pub(crate) const $name: Line<{ parts($text) }> = Line { level: Level::$level, text: $text };)+

        /// The level and the text of every line.
        pub const ALL: &[(Level, &str)] = &[$((Level::$level, $text)),+];
    };
}

lines! {
    // Calls and connections.
    CALL: DEBUG "call";
    CALL_FAILED: INFO "failed call";
    CALL_NOT_QUEUED: WARN "failed call";
    CALL_FAILED_IN_STORE: ERROR "failed call";
    ITEMS_REFUSED: INFO "items refused";
    SLOW_CALL: INFO "slow call";
    REQUEST_REFUSED: INFO "refused request";
    FURTHER_FAILED_CALLS: INFO "further failed calls";
    INTERCHANGE: INFO "interchange";
    CALLBACK: DEBUG "callback";
    CALLBACK_FAILED_IN_STORE: ERROR "the store failed under a webhook that was received";
    CALLBACK_NOT_FORWARDED: WARN "a webhook was not answered where it is forwarded to";
    FEED_OPENED: INFO "feed opened";
    FEED_POLLED: DEBUG "feed polled";
    FEED_BROKE_OFF: ERROR "a feed broke off";
    FEED_NOT_READ: ERROR "the feed cannot be read; its readers wait";
    EXPORT_BROKE_OFF: ERROR "an export broke off";
    IMPORT_FAILED_IN_STORE: ERROR "the store failed under an import";
    CONTROL_FAILED_IN_STORE: ERROR "the store failed under a control";
    NO_THREAD_FOR_TRANSFER: ERROR "a thread for a transfer cannot be started";
    NO_THREAD_FOR_CONTROL: ERROR "a thread for a control cannot be started";
    PREVIOUS_KEY_USED: WARN "calls still come with the previous key of the app; this is who made the last one";
    CONNECTION_NOT_ACCEPTED: WARN "a connection could not be accepted";
    INVALID_PROXY_HEADER: DEBUG "invalid PROXY header from a trusted proxy";
    NOT_READY: DEBUG "not ready";
    HANDSHAKE_FAILED: DEBUG "a TLS handshake failed";
    HANDSHAKE_TOO_SLOW: DEBUG "a TLS handshake did not end in time";
    CONNECTION_BROKE: DEBUG "a connection broke";
    HEAD_TOO_SLOW: DEBUG "the head of a request did not arrive in time";
    CONNECTION_IDLE: DEBUG "a connection was idle for too long";
    UNSIGNED_TOO_SLOW: DEBUG "a request without a valid signature took too long";
    BYTES_TOO_SLOW: DEBUG "too few bytes moved for too long while a request was in progress";

    // Start, reload and stop.
    SERVING: INFO "confold is serving";
    STOPPING: INFO "stopping";
    REQUESTS_CUT_OFF: WARN "some requests did not finish in time and were cut off";
    STORE_NOT_CLOSED: WARN "the store could not be closed in time; nothing that was acknowledged is lost";
    STORE_THREADS_HANG: ERROR "threads of the store hang, probably in the disk; they are left behind";
    APPS_READ_AGAIN: INFO "the apps were read again";
    CERTIFICATE_READ_AGAIN: INFO "the certificate was read again";
    CONFIGURATION_REJECTED: ERROR "configuration rejected: …";
    APPLIED_ANYWAY: WARN "applied from the rejected configuration: …";
    CONFIGURATION_UNREADABLE: ERROR "nothing in the configuration could be read: every app and administrator stays as \
        before";
    CHANGED_SETTING: WARN "… was changed to …: it stays … until the server is started again";
    CERTIFICATE_KEPT: ERROR "the previous certificate stays in use";
    CERTIFICATE_DOUBTFUL: WARN "the certificate in use …";
    APP_WITHOUT_KEY: WARN "app … has no key: no signature can be verified (70016)";
    APP_WITHOUT_ADMIN: WARN "app … has no administrator: nobody can call for it (60010)";
    SHORT_KEY: WARN "the … of app … has fewer than 32 characters and can be guessed; make a longer one, for example with: \
        openssl rand -hex 32";
    PREVIOUS_KEY_EXPIRED: WARN "the previous key of app … is not accepted any more, because previous_key_until (…) has \
        passed; remove both from the configuration";
    CERTIFICATE_FILE_DOUBTFUL: WARN "the certificate in … …";
    FEW_FILES: WARN "limits.connections is …, but this process may only have … files open; raise the limit (ulimit -n, \
        or LimitNOFILE in a systemd unit)";
    LINES_DROPPED: WARN "log lines were dropped, because standard error was not read in time";
    LINES_LOST: WARN "log lines were lost, because standard error could not be written";
    SPANS_NOT_SENT: WARN "spans could not be sent to …";
    SPANS_NOT_SENT_AT_STOP: WARN "spans could not be sent to … before the server stopped";
    SPANS_ENDED: ERROR "a defect ended the thread that sends spans; none are sent until the next startup";
    WEBHOOK_FAILED: INFO "a message to a webhook failed and is sent again; further failures are not logged for a minute";
    WEBHOOK_GAVE_UP: WARN "a webhook refused an event until it was given up; confold webhooks replay sends it again";
    WEBHOOK_PAUSED: WARN "every message to a webhook has failed for an hour: it is paused and tried every 5 minutes, and \
        keeps its place";
    WEBHOOK_RESUMED: INFO "a webhook works again after a pause";
    WEBHOOK_OFF: ERROR "the webhook … of app … answered 410 and gets nothing more until it is switched on again: \
        confold webhooks enable";
    WEBHOOK_MISSED_EVENTS: ERROR "events were removed before a webhook could deliver them, because events took too much \
        room or were damaged";
    WEBHOOK_UNREAD: ERROR "what a webhook has to deliver cannot be read; this will be retried";
    WEBHOOK_NOT_STORED: ERROR "how far a webhook has come cannot be stored; this will be retried";
    WEBHOOKS_NOT_PREPARED: ERROR "new webhooks cannot be stored, so they may miss the first events; this will be retried";
    WEBHOOKS_NOT_FORGOTTEN: ERROR "removed webhooks cannot be forgotten; this will be retried";
    WEBHOOKS_ENDED: ERROR "a defect ended the thread that delivers to webhooks; nothing is delivered until the next startup";
    WEBHOOK_UNSIGNED: WARN "the webhook … of app … has neither a secret nor a token, so its receiver cannot check who sends \
        a message";
    SERVICE_FAILED: ERROR "a background service failed";
    THREAD_PANICKED: ERROR "a thread panicked, which is a defect: …";

    // Only `confold dev`.
    FOLDERS_REMOVED: INFO "removed … that earlier servers had left behind";
    SEED_NOT_LOADED: WARN "… is not loaded: … holds data already";
    NOTHING_EXPORTED: ERROR "nothing was exported: …";
    READY_FILE_UNWRITTEN: ERROR "the ready file … cannot be written";
    NO_THREAD_FOR_READY_FILE: ERROR "the ready file cannot be written";
    READY_FILE_REPLACED: WARN "the ready file … was replaced, and this server will not remove it";
    ADDRESSES_NOT_PRINTED: WARN "the addresses of the server cannot be printed";
    CA_REPLACED: WARN "the local CA made by an older version of confold could sign for too many names, so it was \
        replaced: make clients trust … instead, and remove the old \"…\" from them";

    // The store.
    STORE_CREATED: INFO "created a new, empty store in …: incarnation …";
    STORE_OPENED: INFO "opened the store in …: incarnation …, … accounts, … owners; frames in the log: … recovered, … \
        dropped";
    FRAMES_DROPPED: WARN "the last … of … frames in the log … were dropped, because one of them is damaged: after \
        a power failure, they are changes that were never acknowledged, but a failing disk may have lost acknowledged ones";
    UPGRADE_INCOMPLETE: WARN "the store in … is not upgraded completely; the next startup continues the upgrade: …";
    LOCK_UNWRITTEN: WARN "the lock file in … cannot be written: …";
    DIRECTORY_OPEN_TO_OTHERS: WARN "other users of this machine can enter the directory … (mode …); its files are \
        private, but run: chmod go-rwx …";
    FILES_RESTRICTED: WARN "other users of this machine could read files in …; the permissions of these files have been \
        restricted: …";
    FILE_NOT_RESTRICTED: WARN "other users of this machine may have access to …, and its permissions cannot be \
        restricted: …";
    LOG_GONE: ERROR "the log … …, although the store was not closed: unless this is a copy of a store in use, or another \
        program such as sqlite3 has opened it since, acknowledged changes since its last checkpoint are lost; the store \
        has a new incarnation";
    LOG_OF_OLD_FORMAT_GONE: ERROR "the log … …: if the store was not closed before, changes are lost";
    STORE_GONE: ERROR "a store was kept in … before, and nothing of it is left: a new, empty one was made (store.create = \
        false refuses that)";
    STORE_FULL: ERROR "there is no room left for the store in …, and changes are refused until there is: …";
    STORE_READ_ONLY: ERROR "the store in … can only be read, and every change is refused: …";
    TRANSACTIONS_FAIL: ERROR "transactions fail";
    DATA_DAMAGED: ERROR "stored data of … is damaged; calls about it fail (50004), everything else is served";
    DATA_READABLE_AGAIN: WARN "stored data of … can be read again";
    OWNER_MOVED_ASIDE: ERROR "user … of app … cannot be changed in the usual table, because the database is damaged \
        next to their data; the data is moved to another table";
    STORE_UNWRITABLE: ERROR "the database is damaged in such a way that sound data cannot be changed";
    ROWS_BEING_REWRITTEN: INFO "the rows of the store are being rewritten for format 4";
    ROWS_NOT_REWRITTEN: WARN "some rows of the store cannot be rewritten, because they are damaged";
    CHECKPOINT_FAILED: ERROR "a checkpoint failed";
    EVENTS_NOT_REMOVED: ERROR "old events cannot be removed";
    EVENTS_DAMAGED: ERROR "recorded events are damaged and are given up; recording starts over";
    KEYS_GIVEN_UP: ERROR "the idempotency keys of user … of app … are damaged and are given up";
    ALL_KEYS_GIVEN_UP: ERROR "the idempotency keys of all users are given up, because some are damaged";
    EVENTS_NOT_GIVEN_UP: ERROR "the damaged events cannot be given up";
    LOG_HELD: WARN "the write-ahead log of the store keeps growing, because a reader has been using it for a long time";
    SQLITE_DETAIL: DEBUG "SQLite: …";
    SQLITE_NOTICE: INFO "SQLite: …";
    SQLITE_WARNING: WARN "SQLite: …";
    SQLITE_ERROR: ERROR "SQLite: …";
    SQLITE_NOTICES_LEFT_OUT: WARN "further notices of SQLite were left out";
    SQLITE_NOTICES_OFF: WARN "notices of SQLite are not logged";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_parts_are_filled_in_order() {
        assert_eq!(SEED_NOT_LOADED.with([&"a…", &2]).to_string(), "a… is not loaded: 2 holds data already");
        assert_eq!(STOPPING.with([]).to_string(), "stopping");
        assert_eq!((parts("…… a …"), parts("é – €"), parts("")), (3, 0, 0));
    }
}
