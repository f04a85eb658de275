//! Looks up the users and chat groups of an owner's conversations: which accounts and chat groups exist.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
    sync::Arc,
};

use rusqlite::{OptionalExtension, params, types::Value};

use super::{chat_groups, disbandings::ended, error::attribute_damage, events::unsigned, rows::Rows, sums};
use crate::{
    domain::{
        AppId, ChangeNumber, ChatGroupId, ChatGroupKind, Conversation, Organizer, Owner, Presence, Record,
        UserId, WantedMembers,
    },
    store::{Damaged, StoreError, checksum::Column, place::Lives},
};

impl Rows<'_> {
    /// Returns the records of an organizer that became invalid because their chat groups were disbanded.
    ///
    /// # Errors
    /// Returns [`StoreError::Damaged`] for the directory if a chat group cannot be read and the app's events do not
    /// show its incarnation either.
    pub(super) fn dead(self, app: AppId, organizer: &Organizer) -> Result<Vec<ChangeNumber>, StoreError> {
        let conversations = || organizer.records().iter().map(|record| &record.conversation);
        let groups = |is_unreadable: bool| {
            conversations()
                .filter(move |conversation| {
                    self.health.is_unreadable(app, conversation, None) == is_unreadable
                })
                .filter_map(Conversation::chat_group)
        };
        let directory = || Damaged::Directory(app);
        let lives = attribute_damage(directory, chat_groups::lives(self.db, app, groups(false)))?;
        let ended = attribute_damage(directory, ended(self.db, app, groups(true)))?;
        Ok(organizer.dead(|id| match ended.get(id.as_str()) {
            Some(incarnation) => *incarnation,
            None => lives.get(id.as_str()).map_or(0, |life| life.incarnation),
        }))
    }

    /// Returns the conversations of an owner's dead records, each with the number of the disbanding of its chat group. A
    /// chat group whose row cannot be read counts as the one that was disbanded last.
    pub(super) fn disbanded(
        self,
        app: AppId,
        organizer: &Organizer,
        dead: &[ChangeNumber],
        lives: Lives,
    ) -> Result<Vec<(Conversation, u64)>, StoreError> {
        let is_dead = |record: &&Arc<Record>| dead.binary_search(&record.number).is_ok();
        let mut statement = self
            .db
            .prepare_cached("SELECT disbanding FROM chat_group WHERE app_id = ?1 AND group_id = ?2")?;
        let mut disbanding = |id: &ChatGroupId| {
            let found = statement.query_row(params![app.number(), id.as_str()], |row| row.get(0)).optional();
            found.ok().flatten().map_or(lives.disbandings, unsigned)
        };
        let records = organizer.records().iter().filter(is_dead);
        Ok(records
            .filter_map(|record| {
                let id = record.conversation.chat_group()?;
                Some((record.conversation.clone(), disbanding(id)))
            })
            .collect())
    }

    /// Looks up the chat groups of an owner one by one, outside the writer's transactions, and records those that
    /// cannot be read. Returns true if there is one that was not known before.
    pub(super) fn finds_damage_around(self, owner: &Owner) -> bool {
        let Ok(own) = self.own_data(owner) else { return false };
        let conversations = own.stored.organizer.records().iter().map(|record| &record.conversation);
        self.finds_damage_among(
            owner.app,
            None,
            conversations.filter(|conversation| conversation.chat_group().is_some()),
        )
    }

    /// Looks up these accounts and chat groups one by one, and the membership of `member` if it is given. Records those
    /// that cannot be read. Returns true if there is one that was not known before.
    pub(super) fn finds_damage_among<'c>(
        self,
        app: AppId,
        member: Option<&UserId>,
        conversations: impl Iterator<Item = &'c Conversation>,
    ) -> bool {
        let finds = |conversation: &Conversation, member: Option<&UserId>| {
            let mut alone = HashMap::from([(conversation.clone(), Presence::Unreadable)]);
            matches!(self.look_up(app, member, &mut alone), Err(StoreError::Damaged { .. }))
                && self.health.note_unreadable(app, conversation, member)
        };
        // If only the membership cannot be read, the chat group is still readable for everybody else. `count` makes
        // sure that all of them are recorded, not only the first.
        conversations
            .filter(|conversation| {
                finds(conversation, None) || member.is_some_and(|user| finds(conversation, Some(user)))
            })
            .count()
            > 0
    }

    /// Returns which of these users have an account, with one query per table.
    pub(super) fn imported<'u>(
        self,
        app: AppId,
        users: impl Iterator<Item = &'u UserId> + Clone,
    ) -> Result<HashSet<String>, StoreError> {
        let key = [Column::Number(app.number().into())];
        let mut aside = HashMap::<String, bool>::new();
        if self.has_aside
            && let Some(users) = list(users.clone().map(UserId::as_str))
        {
            let mut statement = self.db.prepare_cached(
                "SELECT user_id, nick, face_url, imported, event, profile, sum FROM account_aside
                 WHERE app_id = ?1 AND user_id IN rarray(?2)",
            )?;
            let mut rows = statement.query(params![app.number(), users])?;
            while let Some(row) = rows.next()? {
                sums::check("account_aside", key, row, 6)?;
                aside.insert(row.get(0)?, row.get(3)?);
            }
        }
        let others = users.map(UserId::as_str).filter(|user| !aside.contains_key(*user));
        let Some(others) = list(others) else { return Ok(known(aside)) };
        let mut statement = self.db.prepare_cached(
            "SELECT user_id, nick, face_url, event, profile, sum FROM account
             WHERE app_id = ?1 AND user_id IN rarray(?2)",
        )?;
        let mut rows = statement.query(params![app.number(), others])?;
        let mut imported = HashSet::new();
        while let Some(row) = rows.next()? {
            sums::check("account", key, row, 5)?;
            imported.insert(row.get(0)?);
        }
        imported.extend(known(aside));
        Ok(imported)
    }

    /// Looks up the presences of these conversations. If `member` is given, it also looks up whether that user is a
    /// member of each chat group. Conversations that are known to be unreadable are not looked up again.
    pub(super) fn look_up(
        self,
        app: AppId,
        member: Option<&UserId>,
        presences: &mut HashMap<Conversation, Presence>,
    ) -> Result<(), StoreError> {
        let is_unreadable = |conversation: &Conversation| {
            let is_known = |member| self.health.is_unreadable(app, conversation, member);
            is_known(None) || member.is_some() && is_known(member)
        };
        let readable = || presences.keys().filter(|conversation| !is_unreadable(conversation));
        let users = readable().filter_map(|conversation| match conversation {
            Conversation::User(user) => Some(user),
            Conversation::ChatGroup(_) => None,
        });
        let directory = || Damaged::Directory(app);
        let imported = attribute_damage(directory, self.imported(app, users))?;
        let ids = readable().filter_map(Conversation::chat_group);
        let lives = attribute_damage(directory, chat_groups::lives(self.db, app, ids))?;
        for (conversation, presence) in presences {
            *presence = match conversation {
                unreadable if is_unreadable(unreadable) => Presence::Unreadable,
                Conversation::User(user) => Presence::User { imported: imported.contains(user.as_str()) },
                Conversation::ChatGroup(id) => {
                    let life = lives.get(id.as_str()).copied();
                    let is_member = match member {
                        Some(user) => self.is_member(app, id, user)?,
                        None => true,
                    };
                    Presence::ChatGroup { life, is_member }
                }
            };
        }
        Ok(())
    }

    /// Checks whether a user is a member of a chat group. Everybody is one if there is no list of members.
    ///
    /// # Errors
    /// Returns [`StoreError::Damaged`] for the directory.
    fn is_member(self, app: AppId, id: &ChatGroupId, user: &UserId) -> Result<bool, StoreError> {
        self.find_member(app, id, user).map_err(|error| match error {
            StoreError::Damaged { reason, .. } => {
                StoreError::Damaged { what: Damaged::Directory(app), reason }
            }
            other => other,
        })
    }

    fn find_member(self, app: AppId, id: &ChatGroupId, user: &UserId) -> Result<bool, StoreError> {
        let Some(row) = chat_groups::row(self.db, app, id)? else { return Ok(true) };
        let Some(profile) = &row.group.profile else { return Ok(false) };
        if profile.kind == ChatGroupKind::AvChatRoom || profile.owner.as_ref() == Some(user) {
            return Ok(true);
        }
        let wanted = WantedMembers::Named(vec![user.clone()]);
        Ok(!row.members(self.db, app, id, &wanted)?.is_empty())
    }
}

/// Returns the users whose value is true.
fn known(users: HashMap<String, bool>) -> HashSet<String> {
    users.into_iter().filter(|(_, imported)| *imported).map(|(user, _)| user).collect()
}

/// Converts texts to a parameter for `rarray`; returns `None` if there are none.
pub(super) fn list<'a>(texts: impl Iterator<Item = &'a str>) -> Option<Rc<Vec<Value>>> {
    let values: Vec<Value> = texts.map(|text| Value::from(text.to_owned())).collect();
    (!values.is_empty()).then(|| Rc::new(values))
}
