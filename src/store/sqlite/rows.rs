//! Rows of owners and statements, for reader and writer alike.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
    sync::Arc,
};

use rusqlite::{Connection, OptionalExtension, params, types::Value};

use super::{error::of, health::Health};
use crate::{
    domain::{
        Account, AppId, ChangeNumber, ChatGroupId, ChatGroupLife, Conversation, Organizer, Owner, Presence,
        UserId,
    },
    store::{
        Damaged, Scope, StoreError,
        document::{Edit, Stored},
    },
};

/// One owner as he is stored: his organizer, his account, and which of his records are dead.
pub(super) type StoredOwner = (Stored, Option<Arc<Account>>, Vec<ChangeNumber>);

/// The rows of owners.
///
/// Nearly all of them are in the tables `organizer` and `account`. An owner whose data is sound, but could not be
/// changed there because of damage in a neighbouring page, is *aside*: he has a row in `account_aside`, and what the
/// other tables hold of him does not count any more.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) db: &'a Connection,
    /// Whether anybody is aside, so that it has to be asked.
    pub(super) has_aside: bool,
}

/// The statements on one of the two tables for documents.
struct Documents {
    read: &'static str,
    write: &'static str,
    delete: &'static str,
}

const MAIN: Documents = Documents {
    read: "SELECT chunk, doc FROM organizer WHERE app_id = ?1 AND user_id = ?2",
    write: "INSERT INTO organizer (app_id, user_id, chunk, doc) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT DO UPDATE SET doc = excluded.doc",
    delete: "DELETE FROM organizer WHERE app_id = ?1 AND user_id = ?2 AND chunk = ?3",
};

const ASIDE: Documents = Documents {
    read: "SELECT chunk, doc FROM organizer_aside WHERE app_id = ?1 AND user_id = ?2",
    write: "INSERT INTO organizer_aside (app_id, user_id, chunk, doc) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT DO UPDATE SET doc = excluded.doc",
    delete: "DELETE FROM organizer_aside WHERE app_id = ?1 AND user_id = ?2 AND chunk = ?3",
};

/// The account of an owner who is aside: none when he was deleted.
type AsideAccount = Option<Arc<Account>>;

impl Rows<'_> {
    /// Reads one owner.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] says whose data is.
    pub(super) fn owner(self, owner: &Owner) -> Result<StoredOwner, StoreError> {
        let what = || Damaged::Owner(owner.clone());
        let (stored, account) = match of(what, self.aside(owner))? {
            Some(account) => (of(what, documents(self.db, &ASIDE, owner))?, account),
            None => (of(what, documents(self.db, &MAIN, owner))?, of(what, account(self.db, owner))?),
        };
        let dead = of(|| Damaged::Directory(owner.app), dead(self.db, owner.app, &stored.organizer))?;
        Ok((stored, account, dead))
    }

    /// Whether an owner is aside, and then his account.
    fn aside(self, owner: &Owner) -> Result<Option<AsideAccount>, StoreError> {
        if !self.has_aside {
            return Ok(None);
        }
        let found = self
            .db
            .prepare_cached(
                "SELECT imported, nick, face_url FROM account_aside WHERE app_id = ?1 AND user_id = ?2",
            )?
            .query_row(params![owner.app.number(), owner.user.as_str()], |row| {
                let account = Account { nick: row.get(1)?, face_url: row.get(2)? };
                Ok(row.get::<_, bool>(0)?.then(|| Arc::new(account)))
            })
            .optional()?;
        Ok(found)
    }

    /// Writes some chunks of an organizer.
    pub(super) fn write_organizer(self, owner: &Owner, edits: &[Edit]) -> Result<(), StoreError> {
        let documents = if self.aside(owner)?.is_some() { ASIDE } else { MAIN };
        let mut delete = self.db.prepare_cached(documents.delete)?;
        let mut write = self.db.prepare_cached(documents.write)?;
        let (app, user) = (owner.app.number(), owner.user.as_str());
        for (chunk, doc) in edits {
            match doc {
                Some(doc) => write.execute(params![app, user, chunk, doc])?,
                None => delete.execute(params![app, user, chunk])?,
            };
        }
        Ok(())
    }

    /// Writes an account, or removes it.
    pub(super) fn write_account(self, owner: &Owner, account: Option<&Account>) -> Result<(), StoreError> {
        let (app, user) = (owner.app.number(), owner.user.as_str());
        if self.aside(owner)?.is_some() {
            return self.write_account_aside(owner, account);
        }
        match account {
            Some(Account { nick, face_url }) => self
                .db
                .prepare_cached(
                    "INSERT OR REPLACE INTO account (app_id, user_id, nick, face_url) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![app, user, nick, face_url])?,
            None => self
                .db
                .prepare_cached("DELETE FROM account WHERE app_id = ?1 AND user_id = ?2")?
                .execute(params![app, user])?,
        };
        Ok(())
    }

    /// Puts an owner aside, with this account and nothing of his organizer yet. To be used when damage in the usual
    /// tables keeps him from being changed there.
    pub(super) fn write_account_aside(
        self,
        owner: &Owner,
        account: Option<&Account>,
    ) -> Result<(), StoreError> {
        let nothing = Account::default();
        let Account { nick, face_url } = account.unwrap_or(&nothing);
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO account_aside (app_id, user_id, imported, nick, face_url)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![owner.app.number(), owner.user.as_str(), account.is_some(), nick, face_url])?;
        Ok(())
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
        health: &Health,
    ) -> Result<(), StoreError> {
        let readable = || presences.keys().filter(|conversation| !health.is_unreadable(app, conversation));
        let users = readable().filter_map(|conversation| match conversation {
            Conversation::User(user) => Some(user),
            Conversation::ChatGroup(_) => None,
        });
        let directory = || Damaged::Directory(app);
        let imported = of(directory, self.imported(app, users))?;
        let ids = readable().filter_map(Conversation::chat_group);
        let lives = of(directory, lives(self.db, app, ids))?;
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

/// Whether anybody is aside.
pub(super) fn has_aside(db: &Connection) -> rusqlite::Result<bool> {
    db.query_row("SELECT EXISTS (SELECT 1 FROM account_aside)", [], |row| row.get(0))
}

fn documents(db: &Connection, documents: &Documents, owner: &Owner) -> Result<Stored, StoreError> {
    let mut statement = db.prepare_cached(documents.read)?;
    let rows = statement
        .query_map(params![owner.app.number(), owner.user.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<Vec<(u32, Vec<u8>)>, _>>()?;
    Stored::decode(&rows)
        .map_err(|reason| StoreError::Damaged { what: Damaged::Owner(owner.clone()), reason })
}

fn account(db: &Connection, owner: &Owner) -> Result<Option<Arc<Account>>, StoreError> {
    let mut statement =
        db.prepare_cached("SELECT nick, face_url FROM account WHERE app_id = ?1 AND user_id = ?2")?;
    let account = statement
        .query_row(params![owner.app.number(), owner.user.as_str()], |row| {
            Ok(Arc::new(Account { nick: row.get(0)?, face_url: row.get(1)? }))
        })
        .optional()?;
    Ok(account)
}

/// Where these chat groups stand in their lives: one query for all.
pub(super) fn lives<'a>(
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

/// The records of an organizer whose chat groups have moved on.
pub(super) fn dead(
    db: &Connection,
    app: AppId,
    organizer: &Organizer,
) -> Result<Vec<ChangeNumber>, StoreError> {
    let ids = organizer.records().iter().filter_map(|record| record.conversation.chat_group());
    let lives = lives(db, app, ids)?;
    Ok(organizer.dead(|id| lives.get(id.as_str()).map_or(0, |life| life.incarnation)))
}

/// Deletes a part of what is kept. A store that is emptied is another from then on (decision 21).
pub(super) fn forget(db: &Connection, scope: &Scope) -> Result<(), StoreError> {
    let tables: &[&str] = match scope {
        Scope::Owner(_) => &["organizer", "account", "organizer_aside", "account_aside"],
        _ => &["organizer", "account", "organizer_aside", "account_aside", "chat_group", "app_event"],
    };
    for table in tables {
        match scope {
            Scope::All => db.execute(&format!("DELETE FROM {table}"), [])?,
            Scope::App(app) => {
                db.execute(&format!("DELETE FROM {table} WHERE app_id = ?1"), [app.number()])?
            }
            Scope::Owner(owner) => db.execute(
                &format!("DELETE FROM {table} WHERE app_id = ?1 AND user_id = ?2"),
                params![owner.app.number(), owner.user.as_str()],
            )?,
        };
    }
    if *scope == Scope::All {
        db.execute("UPDATE store SET incarnation = lower(hex(randomblob(8)))", [])?;
    }
    Ok(())
}

/// A list of texts as a statement's parameter; `None` when it is empty.
fn list<'a>(texts: impl Iterator<Item = &'a str>) -> Option<Rc<Vec<Value>>> {
    let values: Vec<Value> = texts.map(|text| Value::from(text.to_owned())).collect();
    (!values.is_empty()).then(|| Rc::new(values))
}
