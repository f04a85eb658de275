//! What the rows of others say about an owner's conversations: who has an account, and which chat groups live.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use rusqlite::{Connection, params, types::Value};

use super::{error::attribute_damage, rows::Rows};
use crate::{
    domain::{
        AppId, ChangeNumber, ChatGroupId, ChatGroupLife, Conversation, Organizer, Owner, Presence, UserId,
    },
    store::{Damaged, StoreError},
};

impl Rows<'_> {
    /// The records of an organizer whose chat groups have moved on.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], of the directory, when a chat group cannot be read and its events do not say either.
    pub(super) fn dead(self, app: AppId, organizer: &Organizer) -> Result<Vec<ChangeNumber>, StoreError> {
        let conversations = || organizer.records().iter().map(|record| &record.conversation);
        let groups = |is_unreadable: bool| {
            conversations()
                .filter(move |conversation| self.health.is_unreadable(app, conversation) == is_unreadable)
                .filter_map(Conversation::chat_group)
        };
        let directory = || Damaged::Directory(app);
        let lives = attribute_damage(directory, lives(self.db, app, groups(false)))?;
        let ended = attribute_damage(directory, ended(self.db, app, groups(true)))?;
        Ok(organizer.dead(|id| match ended.get(id.as_str()) {
            Some(incarnation) => *incarnation,
            None => lives.get(id.as_str()).map_or(0, |life| life.incarnation),
        }))
    }

    /// Looks up the chat groups of an owner one after the other, outside of the writer's transactions. Whether one was
    /// found that cannot be read, and was not known before.
    pub(super) fn learns_about(self, owner: &Owner) -> bool {
        let Ok((stored, _)) = self.own_data(owner) else { return false };
        let conversations = stored.organizer.records().iter().map(|record| &record.conversation);
        self.learns_of(owner.app, conversations.filter(|conversation| conversation.chat_group().is_some()))
    }

    /// The same for these accounts and chat groups.
    pub(super) fn learns_of<'c>(
        self,
        app: AppId,
        conversations: impl Iterator<Item = &'c Conversation>,
    ) -> bool {
        let is_damaged = |conversation: &Conversation| {
            let mut alone = HashMap::from([(conversation.clone(), Presence::Unreadable)]);
            matches!(self.look_up(app, &mut alone), Err(StoreError::Damaged { .. }))
        };
        // All of them are to be remembered, not only the first.
        let damaged = conversations.filter(|conversation| is_damaged(conversation));
        damaged.filter(|conversation| self.health.note_unreadable(app, conversation)).count() > 0
    }

    /// Which of these users have an account: one query for all.
    pub(super) fn imported<'u>(
        self,
        app: AppId,
        users: impl Iterator<Item = &'u UserId> + Clone,
    ) -> Result<HashSet<String>, StoreError> {
        let mut aside = HashMap::new();
        if self.has_aside
            && let Some(users) = list(users.clone().map(UserId::as_str))
        {
            let mut statement = self.db.prepare_cached(
                "SELECT user_id, imported FROM account_aside WHERE app_id = ?1 AND user_id IN rarray(?2)",
            )?;
            let found = statement
                .query_map(params![app.number(), users], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
            aside = found.collect::<Result<HashMap<_, bool>, _>>()?;
        }
        let others = users.map(UserId::as_str).filter(|user| !aside.contains_key(*user));
        let Some(others) = list(others) else { return Ok(known(aside)) };
        let mut statement = self
            .db
            .prepare_cached("SELECT user_id FROM account WHERE app_id = ?1 AND user_id IN rarray(?2)")?;
        let found = statement.query_map(params![app.number(), others], |row| row.get(0))?;
        let mut imported = found.collect::<Result<HashSet<_>, _>>()?;
        imported.extend(known(aside));
        Ok(imported)
    }

    /// Looks up what the directory says about these conversations now, in two queries at most. What is known to be
    /// unreadable is not asked for again.
    pub(super) fn look_up(
        self,
        app: AppId,
        presences: &mut HashMap<Conversation, Presence>,
    ) -> Result<(), StoreError> {
        let health = self.health;
        let readable = || presences.keys().filter(|conversation| !health.is_unreadable(app, conversation));
        let users = readable().filter_map(|conversation| match conversation {
            Conversation::User(user) => Some(user),
            Conversation::ChatGroup(_) => None,
        });
        let directory = || Damaged::Directory(app);
        let imported = attribute_damage(directory, self.imported(app, users))?;
        let ids = readable().filter_map(Conversation::chat_group);
        let lives = attribute_damage(directory, lives(self.db, app, ids))?;
        for (conversation, presence) in presences {
            *presence = match conversation {
                unreadable if health.is_unreadable(app, unreadable) => Presence::Unreadable,
                Conversation::User(user) => Presence::User { imported: imported.contains(user.as_str()) },
                Conversation::ChatGroup(id) => Presence::ChatGroup(lives.get(id.as_str()).copied()),
            };
        }
        Ok(())
    }
}

/// Those who have an account.
fn known(users: HashMap<String, bool>) -> HashSet<String> {
    users.into_iter().filter(|(_, imported)| *imported).map(|(user, _)| user).collect()
}

/// Where these chat groups stand in their lives: one query for all.
fn lives<'a>(
    db: &Connection,
    app: AppId,
    ids: impl Iterator<Item = &'a ChatGroupId>,
) -> Result<HashMap<String, ChatGroupLife>, StoreError> {
    let Some(ids) = list(ids.map(ChatGroupId::as_str)) else { return Ok(HashMap::new()) };
    let mut statement = db.prepare_cached(
        "SELECT group_id, incarnation, kind IS NOT NULL FROM chat_group
         WHERE app_id = ?1 AND group_id IN rarray(?2)",
    )?;
    let found = statement.query_map(params![app.number(), ids], |row| {
        Ok((row.get(0)?, ChatGroupLife { incarnation: row.get(1)?, alive: row.get(2)? }))
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// The incarnations of chat groups whose rows cannot be read, as the events of the app tell them.
///
/// # Errors
/// [`StoreError::Damaged`] when older events were removed already, so that a group without one may have been destroyed.
fn ended<'a>(
    db: &Connection,
    app: AppId,
    ids: impl Iterator<Item = &'a ChatGroupId>,
) -> Result<HashMap<String, u32>, StoreError> {
    let ids: Vec<&str> = ids.map(ChatGroupId::as_str).collect();
    let Some(unreadable) = list(ids.iter().copied()) else { return Ok(HashMap::new()) };
    let mut statement = db.prepare_cached(
        "SELECT group_id, max(incarnation) FROM app_event
         WHERE app_id = ?1 AND group_id IN rarray(?2) GROUP BY group_id",
    )?;
    let found =
        statement.query_map(params![app.number(), unreadable], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut ended = found.collect::<Result<HashMap<String, u32>, _>>()?;
    let is_complete: bool = db
        .prepare_cached(
            "SELECT (SELECT count(*) FROM app_event WHERE app_id = ?1)
             = coalesce((SELECT disbandings FROM app WHERE app_id = ?1), 0)",
        )?
        .query_row([app.number()], |row| row.get(0))?;
    for id in ids {
        if !is_complete && !ended.contains_key(id) {
            let reason =
                "a chat group cannot be read, and may have been destroyed longer ago than events are kept";
            return Err(StoreError::Damaged { what: Damaged::Directory(app), reason: reason.to_owned() });
        }
        ended.entry(id.to_owned()).or_insert(0);
    }
    Ok(ended)
}

/// A list of texts as a statement's parameter; `None` when it is empty.
fn list<'a>(texts: impl Iterator<Item = &'a str>) -> Option<Rc<Vec<Value>>> {
    let values: Vec<Value> = texts.map(|text| Value::from(text.to_owned())).collect();
    (!values.is_empty()).then(|| Rc::new(values))
}
