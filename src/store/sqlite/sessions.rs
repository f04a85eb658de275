//! The sessions of owners. One row each, with an index of the pinned and of the newest ones, so that a list of an owner with a
//! million sessions costs what one with a thousand costs.

use rusqlite::{Connection, Row, params};

use super::{
    batch::PAGE,
    error::attribute_damage,
    events::{signed, unsigned},
    rows::Rows,
    sums, touches,
};
use crate::{
    domain::{
        AppId, ChatGroupId, Conversation, Delta, KnownSessions, Owner, Presence, Session, SessionChanged,
        SessionMarks, SessionTimes, Terms, UserId,
    },
    store::{Cursor, Damaged, Part, StoreError, Write, checksum::Column, recent::shown_incarnation},
};

/// The columns to read. Those before `sum`, and the key, are covered by the checksum.
pub(super) const COLUMNS: &str = "kind, peer, life, last, seen, pinned, deleted, sum";
/// The number of columns before `sum`.
const SUMMED: usize = 7;
/// The number of sessions in one part of a list of all of them.
const LISTED: u32 = 1_000;
/// The approximate size of one row, in bytes.
const ROW: usize = 112;

// The kinds of conversations.
const USER: i64 = 1;
const CHAT_GROUP: i64 = 2;

/// Reads one session. One that is not stored is the default.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which does not name the sessions.
pub(super) fn one(
    db: &Connection,
    owner: &Owner,
    conversation: &Conversation,
) -> Result<Session, StoreError> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM session WHERE app_id = ?1 AND user_id = ?2 AND kind = ?3 AND peer = ?4"
    ))?;
    let (kind, peer) = key_of(conversation);
    let mut rows = statement.query(params![owner.app.number(), owner.user.as_str(), kind, peer])?;
    let Some(row) = rows.next()? else { return Ok(Session::default()) };
    Ok(read(owner, row)?.1)
}

/// Writes one session, or deletes it if nothing is left of it. Returns the approximate number of bytes written.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn write(
    db: &Connection,
    owner: &Owner,
    conversation: &Conversation,
    session: Session,
) -> Result<usize, StoreError> {
    let (app, user) = (owner.app.number(), owner.user.as_str());
    let (kind, peer) = key_of(conversation);
    let Session { incarnation, times, marks: SessionMarks { pinned, deleted } } = session;
    // An owner's row about a chat group only adds to the times that all members share.
    let is_nothing = kind == USER && times.last() == 0 && (pinned, deleted) == (0, 0);
    if is_nothing {
        db.prepare_cached(
            "DELETE FROM session WHERE app_id = ?1 AND user_id = ?2 AND kind = ?3 AND peer = ?4",
        )?
        .execute(params![app, user, kind, peer])?;
        return Ok(PAGE);
    }
    db.prepare_cached(
        "INSERT INTO session (app_id, user_id, kind, peer, life, last, seen, pinned, deleted, sum)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, row_sum('session', ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9))
         ON CONFLICT DO UPDATE SET life = excluded.life, last = excluded.last, seen = excluded.seen,
            pinned = excluded.pinned, deleted = excluded.deleted, sum = excluded.sum",
    )?
    .execute(params![
        app,
        user,
        kind,
        peer,
        incarnation,
        signed(times.last()),
        signed(times.seen()),
        signed(pinned),
        signed(deleted)
    ])?;
    Ok(PAGE)
}

/// Applies the changes of marks among these deltas. Returns the approximate number of bytes written.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which names the sessions of the owner.
pub(super) fn apply(db: &Connection, owner: &Owner, deltas: &[Delta]) -> Result<usize, StoreError> {
    let apply = |change: &SessionChanged| {
        let session = one(db, owner, &change.conversation)?;
        write(db, owner, &change.conversation, session.changed(change))
    };
    let mut bytes = 0;
    for delta in deltas {
        if let Delta::SessionChanged(change) = delta {
            bytes += attribute_damage(|| Damaged::Sessions(owner.clone()), apply(change))?;
        }
    }
    Ok(bytes)
}

/// Deletes the sessions of an owner. Returns the approximate number of bytes written.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which names the sessions of the owner.
pub(super) fn forget(db: &Connection, owner: &Owner) -> Result<usize, StoreError> {
    let delete = || -> Result<usize, StoreError> {
        Ok(db
            .prepare_cached("DELETE FROM session WHERE app_id = ?1 AND user_id = ?2")?
            .execute(params![owner.app.number(), owner.user.as_str()])?)
    };
    let deleted = attribute_damage(|| Damaged::Sessions(owner.clone()), delete())?;
    Ok(if deleted == 0 { 0 } else { PAGE + ROW * deleted })
}

/// Looks up the presence of conversations, in the same order.
pub(super) trait LookUp: Fn(&[Conversation]) -> Result<Vec<Presence>, StoreError> {}

impl<T: Fn(&[Conversation]) -> Result<Vec<Presence>, StoreError>> LookUp for T {}

/// Reads what a write depends on, if it is about sessions.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which names the damaged data.
pub(super) fn known_to(rows: Rows<'_>, write: &Write) -> Result<Option<KnownSessions>, StoreError> {
    let Write { owner, edit, terms, .. } = write;
    if !edit.is_about_sessions() {
        return Ok(None);
    }
    let look_up = |named: &[Conversation]| {
        let mut presences = named.iter().map(|named| (named.clone(), Presence::Unreadable)).collect();
        rows.look_up(owner.app, Some(&owner.user), &mut presences)?;
        Ok(named.iter().map(|named| presences[named]).collect())
    };
    let named: Vec<Conversation> = edit.named().into_iter().cloned().collect();
    known(rows.db, owner, terms, &named, look_up).map(Some)
}

/// Reads what an edit about these sessions depends on.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which names the damaged data.
fn known(
    db: &Connection,
    owner: &Owner,
    terms: &Terms,
    named: &[Conversation],
    look_up: impl LookUp,
) -> Result<KnownSessions, StoreError> {
    let mut known = KnownSessions::default();
    for (conversation, presence) in named.iter().zip(look_up(named)?) {
        let session = attribute_damage(|| Damaged::Sessions(owner.clone()), one(db, owner, conversation))?;
        let session = match (conversation, presence) {
            (Conversation::User(_), _) => session.of(0),
            (Conversation::ChatGroup(id), Presence::ChatGroup { life, is_member }) => {
                let session = session.of(life.map_or(0, |life| life.incarnation));
                match is_member {
                    true => shared(db, owner.app, id, session)?,
                    false => session,
                }
            }
            (Conversation::ChatGroup(_), _) => session,
        };
        known.named.insert(conversation.clone(), session);
    }
    let pinned = attribute_damage(|| Damaged::Sessions(owner.clone()), pinned(db, owner))?;
    let conversations: Vec<Conversation> = pinned.iter().map(|(named, _)| named.clone()).collect();
    for ((conversation, session), presence) in pinned.into_iter().zip(look_up(&conversations)?) {
        if shown_incarnation(owner, terms, &conversation, presence) == Some(session.incarnation) {
            known.pinned.insert(conversation);
        }
    }
    Ok(known)
}

/// Returns the next sessions of an app, sorted by owner.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which names the sessions of an owner.
pub(super) fn list(
    db: &Connection,
    app: AppId,
    from: Option<&Cursor>,
) -> Result<Part<(UserId, Conversation, Session)>, StoreError> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS}, user_id FROM session WHERE app_id = ?1 AND (user_id, kind, peer) > (?2, ?3, ?4)
         ORDER BY user_id, kind, peer LIMIT ?5"
    ))?;
    let (user, kind, peer) = place_of(from);
    let mut rows = statement.query(params![app.number(), user, kind, peer, LISTED])?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        let user = UserId::parse(&row.get::<_, String>(SUMMED + 1)?).map_err(|reason| damaged(&reason))?;
        let owner = Owner { app, user };
        let (conversation, session) =
            attribute_damage(|| Damaged::Sessions(owner.clone()), read(&owner, row))?;
        items.push((owner.user, conversation, session));
    }
    let next = items.last().map(|(user, conversation, _)| {
        let (kind, peer) = key_of(conversation);
        let user = user.as_str();
        Cursor(format!("{kind} {} {user}{peer}", user.len()))
    });
    Ok(Part { items, next })
}

/// Reads a cursor: the key of the last session of the previous part.
fn place_of(from: Option<&Cursor>) -> (&str, i64, &str) {
    let read = || {
        let mut parts = from?.0.splitn(3, ' ');
        let (kind, length, ids) = (parts.next()?, parts.next()?, parts.next()?);
        let (user, peer) = ids.split_at_checked(length.parse().ok()?)?;
        Some((user, kind.parse().ok()?, peer))
    };
    read().unwrap_or_default()
}

/// Reads the pinned sessions of an owner, including those of users and chat groups that do not exist any more.
pub(super) fn pinned(db: &Connection, owner: &Owner) -> Result<Vec<(Conversation, Session)>, StoreError> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM session WHERE app_id = ?1 AND user_id = ?2 AND pinned > 0"
    ))?;
    let mut rows = statement.query(params![owner.app.number(), owner.user.as_str()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(owner, row)?);
    }
    Ok(found)
}

/// Returns the session of a chat group with the times that all its members share.
pub(super) fn shared(
    db: &Connection,
    app: AppId,
    id: &ChatGroupId,
    session: Session,
) -> Result<Session, StoreError> {
    Ok(session.touched(touches::times_of(db, app, id, session.incarnation)?))
}

/// Reads a row of [`COLUMNS`].
pub(super) fn read(owner: &Owner, row: &Row<'_>) -> Result<(Conversation, Session), StoreError> {
    let key = [Column::Number(owner.app.number().into()), Column::Text(owner.user.as_str().as_bytes())];
    sums::check("session", key, row, SUMMED)?;
    let peer: String = row.get(1)?;
    let conversation = match row.get::<_, i64>(0)? {
        USER => UserId::parse(&peer).map(Conversation::User),
        _ => ChatGroupId::parse(&peer).map(Conversation::ChatGroup),
    };
    let time = |column| row.get::<_, i64>(column).map(unsigned);
    let session = Session {
        incarnation: row.get(2)?,
        times: SessionTimes::new(time(3)?, time(4)?),
        marks: SessionMarks { pinned: time(5)?, deleted: time(6)? },
    };
    Ok((conversation.map_err(|reason| damaged(&reason))?, session))
}

fn damaged(reason: &impl ToString) -> StoreError {
    StoreError::Damaged { what: Damaged::Database, reason: reason.to_string() }
}

/// Returns the key of a session among those of its owner.
fn key_of(conversation: &Conversation) -> (i64, &str) {
    match conversation {
        Conversation::User(user) => (USER, user.as_str()),
        Conversation::ChatGroup(id) => (CHAT_GROUP, id.as_str()),
    }
}
