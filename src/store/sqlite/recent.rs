//! Reads what a list of recent conversations is made of. The sessions with other users are found by an index, those of chat
//! groups by the owner's memberships.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    sync::Arc,
};

use rusqlite::{Connection, params};

use super::{
    error::attribute_damage,
    events::signed,
    memberships,
    reader::Reader,
    sessions::{COLUMNS, LookUp, list, one, pinned, read, shared},
    touches,
};
use crate::{
    domain::{
        AppId, ChatGroupId, ChatGroupKind, Conversation, Owner, Presence, RecentSession, Session, UserId,
        keep_newest,
    },
    store::{Cursor, Damaged, Membership, Part, RecentQuery, StoreError},
};

/// How many rows are read at once. Those of users who do not exist any more are not listed.
const ROWS: usize = 100;

/// Reads the pinned sessions of an owner, and the newest ones of those that are not pinned. `memberships` are those of the
/// owner.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which names the damaged data.
pub(super) fn sessions(
    db: &Connection,
    owner: &Owner,
    query: &RecentQuery,
    memberships: Vec<Membership>,
    look_up: impl LookUp,
) -> Result<Vec<RecentSession>, StoreError> {
    let of_owner = || Damaged::Sessions(owner.clone());
    let (mut found, mut others) = (Vec::new(), Vec::new());
    let mut pinned = attribute_damage(of_owner, pinned(db, owner))?;
    // The pinned sessions of these chat groups are found with the others.
    let joined: Vec<Conversation> = memberships.iter().map(|found| found.id.clone().into()).collect();
    pinned.retain(|(conversation, _)| !joined.contains(conversation));
    let conversations: Vec<Conversation> = pinned.iter().map(|(named, _)| named.clone()).collect();
    for ((conversation, session), presence) in pinned.into_iter().zip(look_up(&conversations)?) {
        if query.incarnation(owner, &conversation, presence) != Some(session.incarnation) {
            continue;
        }
        let session = match &conversation {
            Conversation::User(_) => session,
            Conversation::ChatGroup(id) => shared(db, owner.app, id, session)?,
        };
        found.push(recent_of(conversation, session));
    }
    for session in of_groups(db, owner, query, memberships)? {
        if session.pinned > 0 { &mut found } else { &mut others }.push(session);
    }
    let mut statement = db.prepare_cached(&newest())?;
    let mut rows =
        statement.query(params![owner.app.number(), owner.user.as_str(), signed(query.oldest.max(1))])?;
    // Users who do not exist any more are left out, so there may have to be more rows than sessions.
    let mut left = query.listed;
    while left > 0 {
        let mut part = Vec::with_capacity(ROWS);
        let mut next = || -> Result<_, StoreError> { rows.next()?.map(|row| read(owner, row)).transpose() };
        while part.len() < ROWS
            && let Some((conversation, session)) = attribute_damage(of_owner, next())?
        {
            part.push((conversation, session));
        }
        if part.is_empty() {
            break;
        }
        let conversations: Vec<Conversation> = part.iter().map(|(named, _)| named.clone()).collect();
        for ((conversation, session), presence) in part.into_iter().zip(look_up(&conversations)?) {
            if left > 0 && query.incarnation(owner, &conversation, presence).is_some() {
                left -= 1;
                others.push(recent_of(conversation, session));
            }
        }
    }
    keep_newest(&mut others, query.listed);
    found.append(&mut others);
    Ok(found)
}

/// Returns the query for the sessions that are not pinned, newest first. The index `session_new` has them in this order.
fn newest() -> String {
    format!(
        "SELECT {COLUMNS} FROM session WHERE app_id = ?1 AND user_id = ?2 AND pinned = 0 AND last >= ?3
         ORDER BY last DESC"
    )
}

/// Returns the sessions of the chat groups that an owner is in: the pinned ones, and those of the others that have a message.
fn of_groups(
    db: &Connection,
    owner: &Owner,
    query: &RecentQuery,
    memberships: Vec<Membership>,
) -> Result<Vec<RecentSession>, StoreError> {
    let mut own = attribute_damage(|| Damaged::Sessions(owner.clone()), all_of_groups(db, owner))?;
    let (mut pinned, mut others) = (Vec::new(), Vec::new());
    // What is said in these rooms is not kept for those who join later, so they have no sessions.
    for membership in memberships.into_iter().filter(|found| found.kind != ChatGroupKind::AvChatRoom) {
        let times = touches::times_of(db, owner.app, &membership.id, membership.incarnation)?;
        let times = membership.seen_by_members(times);
        let Membership { id, incarnation, seen, .. } = membership;
        let session = own.remove(&id).unwrap_or_default().of(incarnation).touched(times);
        let mut session = recent_of(id.into(), session);
        // Joining counts as a move, so that a client which asks what has moved finds an old chat group.
        session.seen = session.seen.max(seen);
        match session.pinned > 0 {
            true => pinned.push(session),
            false if session.last >= query.oldest => others.push(session),
            false => {}
        }
    }
    pinned.append(&mut others);
    Ok(pinned)
}

/// Reads what is stored about an owner's sessions in chat groups, which is little: pins, and deletions.
fn all_of_groups(db: &Connection, owner: &Owner) -> Result<HashMap<ChatGroupId, Session>, StoreError> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM session WHERE app_id = ?1 AND user_id = ?2 AND kind = 2"
    ))?;
    let mut rows = statement.query(params![owner.app.number(), owner.user.as_str()])?;
    let mut found = HashMap::new();
    while let Some(row) = rows.next()? {
        if let (Conversation::ChatGroup(id), session) = read(owner, row)? {
            found.insert(id, session);
        }
    }
    Ok(found)
}

fn recent_of(conversation: Conversation, session: Session) -> RecentSession {
    let Session { times, marks, .. } = session;
    RecentSession { conversation, last: times.last(), seen: times.seen(), pinned: marks.pinned }
}

impl Reader {
    pub(super) fn sessions(&self, owner: &Owner, named: &[Conversation]) -> Result<Vec<Session>, StoreError> {
        let read = named.iter().map(|named| one(&self.db, owner, named)).collect();
        self.noted(attribute_damage(|| Damaged::Sessions(owner.clone()), read))
    }

    /// Reads the list of an owner, and keeps it in memory unless some of it is unreadable.
    pub(super) fn recent(
        &self,
        owner: &Owner,
        query: &RecentQuery,
    ) -> Result<Arc<[RecentSession]>, StoreError> {
        let moment = self.lists.moment();
        let snapshot = self.db.unchecked_transaction()?;
        let (named_before, is_whole) = (RefCell::new(Vec::new()), Cell::new(true));
        let look_up = |named: &[Conversation]| {
            let found = self.look_up(owner.app, Some(&owner.user), named)?;
            named_before.borrow_mut().extend(named.iter().map(|named| self.lists.place_of(owner.app, named)));
            is_whole.set(is_whole.get() && !found.contains(&Presence::Unreadable));
            Ok(found)
        };
        let read = || {
            let memberships = memberships::of(&snapshot, owner, &self.dead_memberships)?;
            let joined = memberships.iter().map(|found| found.id.clone().into());
            let joined: Vec<_> = joined.map(|named| self.lists.place_of(owner.app, &named)).collect();
            Ok((joined, self::sessions(&snapshot, owner, query, memberships, look_up)?))
        };
        let found = read();
        snapshot.finish()?;
        let (mut depends_on, sessions) = self.noted(found)?;
        let sessions: Arc<[RecentSession]> = sessions.into();
        if is_whole.get() {
            depends_on.append(&mut named_before.borrow_mut());
            depends_on.push(self.lists.place_of_user(owner.app, &owner.user));
            self.lists.keep(owner, query, Arc::clone(&sessions), depends_on, moment);
        }
        Ok(sessions)
    }

    pub(super) fn list_sessions(
        &self,
        app: AppId,
        from: Option<&Cursor>,
    ) -> Result<Part<(UserId, Conversation, Session)>, StoreError> {
        self.noted(list(&self.db, app, from))
    }
}

#[cfg(test)]
#[path = "recent_tests.rs"]
mod tests;
