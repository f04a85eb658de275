//! Reads and writes the rows of owners, for the readers and the writer.

use std::sync::Arc;

use rusqlite::{Connection, Row, params};

use super::{
    error::attribute_damage,
    events::{signed, unsigned},
    health::Health,
    sums,
};
use crate::{
    domain::{Account, Owner},
    store::{
        Damaged, Revision, StoreError,
        cache::Snapshot,
        checksum::Column,
        document::{ChunkEdit, Stored, decode_account, encode_profile},
    },
};

/// The rows of owners.
///
/// Nearly all of them are in the tables `organizer` and `account`. An owner is *aside* if their data is undamaged but
/// could not be changed there because a neighbouring page is damaged. Such an owner has a row in `account_aside`, and
/// their rows in `organizer` and `account` are ignored.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) db: &'a Connection,
    /// The known damage.
    pub(super) health: &'a Health,
    /// Whether any owner is aside, so that their tables have to be read, too.
    pub(super) has_aside: bool,
}

/// The statements for one of the two tables of documents.
struct Documents {
    table: &'static str,
    read: &'static str,
    write: &'static str,
    delete: &'static str,
}

const MAIN: Documents = Documents {
    table: "organizer",
    read: "SELECT chunk, doc, revision, event, sum FROM organizer WHERE app_id = ?1 AND user_id = ?2",
    write: "INSERT INTO organizer (app_id, user_id, chunk, doc, revision, event, sum)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, row_sum('organizer', ?1, ?2, ?3, ?4, ?5, ?6))
            ON CONFLICT DO UPDATE SET doc = excluded.doc, revision = excluded.revision, event = excluded.event,
                sum = excluded.sum",
    delete: "DELETE FROM organizer WHERE app_id = ?1 AND user_id = ?2 AND chunk = ?3",
};

const ASIDE: Documents = Documents {
    table: "organizer_aside",
    read: "SELECT chunk, doc, revision, event, sum FROM organizer_aside WHERE app_id = ?1 AND user_id = ?2",
    write: "INSERT INTO organizer_aside (app_id, user_id, chunk, doc, revision, event, sum)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, row_sum('organizer_aside', ?1, ?2, ?3, ?4, ?5, ?6))
            ON CONFLICT DO UPDATE SET doc = excluded.doc, revision = excluded.revision, event = excluded.event,
                sum = excluded.sum",
    delete: "DELETE FROM organizer_aside WHERE app_id = ?1 AND user_id = ?2 AND chunk = ?3",
};

/// An account, or `None` if it does not exist, and the number of the owner's latest event when its row was written.
type AccountRow = (Option<Arc<Account>>, u64);

impl Rows<'_> {
    /// Reads one owner. The incarnations of unreadable chat groups are taken from the events of the app.
    ///
    /// # Errors
    /// Returns [`StoreError::Damaged`], which names the damaged data.
    pub(super) fn owner(self, owner: &Owner) -> Result<Snapshot, StoreError> {
        let own = self.own_data(owner)?;
        let dead = self.dead(owner.app, &own.stored.organizer)?;
        Ok(Snapshot { dead, ..own })
    }

    /// Reads one owner outside the writer's transactions. If chat groups turn out to be unreadable, they are
    /// recorded, and the owner is read again without them.
    ///
    /// # Errors
    /// Returns the same errors as [`Rows::owner`].
    pub(super) fn owner_noting_damage(self, owner: &Owner) -> Result<Snapshot, StoreError> {
        match self.owner(owner) {
            Err(StoreError::Damaged { what: Damaged::Directory(_), .. })
                if self.finds_damage_around(owner) =>
            {
                self.owner(owner)
            }
            read => read,
        }
    }

    /// Reads only the owner's own rows, without looking up which records are dead.
    pub(super) fn own_data(self, owner: &Owner) -> Result<Snapshot, StoreError> {
        let what = || Damaged::Owner(owner.clone());
        let (documents_of, (account, of_account)) = match attribute_damage(what, self.aside(owner))? {
            Some(aside) => (&ASIDE, aside),
            None => (&MAIN, attribute_damage(what, account(self.db, owner))?),
        };
        let (stored, revision, of_organizer) =
            attribute_damage(what, documents(self.db, documents_of, owner))?;
        let event = of_account.max(of_organizer);
        Ok(Snapshot { account, stored: Arc::new(stored), revision, event, dead: Vec::new() })
    }

    /// Returns the account of an owner who is aside, or `None` if the owner is not.
    pub(super) fn aside(self, owner: &Owner) -> Result<Option<AccountRow>, StoreError> {
        if !self.has_aside {
            return Ok(None);
        }
        let mut statement = self.db.prepare_cached(
            "SELECT nick, face_url, imported, event, profile, sum FROM account_aside
             WHERE app_id = ?1 AND user_id = ?2",
        )?;
        let mut rows = statement.query(params![owner.app.number(), owner.user.as_str()])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        sums::check("account_aside", key(owner), row, 5)?;
        let account = account_in(row, 4)?;
        Ok(Some((row.get::<_, bool>(2)?.then(|| Arc::new(account)), event(row, 3)?)))
    }

    /// Writes some chunks of an organizer. `event` is the number of the owner's latest event.
    pub(super) fn write_organizer(
        self,
        owner: &Owner,
        edits: &[ChunkEdit],
        revision: Revision,
        event: u64,
    ) -> Result<(), StoreError> {
        let revision = signed(revision.0);
        let documents = if self.aside(owner)?.is_some() { ASIDE } else { MAIN };
        let mut delete = self.db.prepare_cached(documents.delete)?;
        let mut write = self.db.prepare_cached(documents.write)?;
        let (app, user) = (owner.app.number(), owner.user.as_str());
        for (chunk, doc) in edits {
            match doc {
                // Only the head contains the revision and the event.
                Some(doc) => {
                    let (revision, event) =
                        if *chunk == 0 { (revision, Some(signed(event))) } else { (0, None) };
                    write.execute(params![app, user, chunk, doc, revision, event])?
                }
                None => delete.execute(params![app, user, chunk])?,
            };
        }
        Ok(())
    }

    /// Writes an account, or deletes it. `event` is the number of the owner's latest event.
    pub(super) fn write_account(
        self,
        owner: &Owner,
        account: Option<&Account>,
        event: u64,
    ) -> Result<(), StoreError> {
        let (app, user) = (owner.app.number(), owner.user.as_str());
        if self.aside(owner)?.is_some() {
            return self.write_account_aside(owner, account, event);
        }
        match account {
            Some(Account { nick, face_url, profile }) => self
                .db
                .prepare_cached(
                    "INSERT OR REPLACE INTO account (app_id, user_id, nick, face_url, event, profile, sum)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, row_sum('account', ?1, ?2, ?3, ?4, ?5, ?6))",
                )?
                .execute(params![app, user, nick, face_url, signed(event), encode_profile(profile)])?,
            None => self
                .db
                .prepare_cached("DELETE FROM account WHERE app_id = ?1 AND user_id = ?2")?
                .execute(params![app, user])?,
        };
        Ok(())
    }

    /// Deletes the organizer of an owner who is aside.
    pub(super) fn forget_aside(self, owner: &Owner) -> Result<(), StoreError> {
        self.db
            .prepare_cached("DELETE FROM organizer_aside WHERE app_id = ?1 AND user_id = ?2")?
            .execute(params![owner.app.number(), owner.user.as_str()])?;
        Ok(())
    }

    /// Writes the account of an owner who is aside. For any other owner, this is the first step of putting them aside,
    /// after damage in the usual tables has prevented a change.
    pub(super) fn write_account_aside(
        self,
        owner: &Owner,
        account: Option<&Account>,
        event: u64,
    ) -> Result<(), StoreError> {
        let nothing = Account::default();
        let Account { nick, face_url, profile } = account.unwrap_or(&nothing);
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO account_aside (app_id, user_id, nick, face_url, imported, event, profile, sum)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, row_sum('account_aside', ?1, ?2, ?3, ?4, ?5, ?6, ?7))",
            )?
            .execute(params![
                owner.app.number(),
                owner.user.as_str(),
                nick,
                face_url,
                account.is_some(),
                signed(event),
                encode_profile(profile)
            ])?;
        Ok(())
    }
}

/// Checks whether any owner is aside.
pub(super) fn has_aside(db: &Connection) -> rusqlite::Result<bool> {
    // Don't read the separate tables for this, since they may be damaged even if they were never used.
    db.query_row("SELECT aside FROM store", [], |row| row.get(0))
}

fn documents(
    db: &Connection,
    documents: &Documents,
    owner: &Owner,
) -> Result<(Stored, Revision, u64), StoreError> {
    let mut statement = db.prepare_cached(documents.read)?;
    let mut rows = statement.query(params![owner.app.number(), owner.user.as_str()])?;
    let (mut chunks, mut revision, mut latest) = (Vec::new(), 0, 0);
    while let Some(row) = rows.next()? {
        sums::check(documents.table, key(owner), row, 4)?;
        revision = revision.max(row.get::<_, i64>(2)?);
        latest = event(row, 3)?.max(latest);
        chunks.push((row.get(0)?, row.get(1)?));
    }
    let stored = Stored::decode(&chunks)
        .map_err(|reason| StoreError::Damaged { what: Damaged::Owner(owner.clone()), reason })?;
    Ok((stored, Revision(unsigned(revision)), latest))
}

fn account(db: &Connection, owner: &Owner) -> Result<AccountRow, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT nick, face_url, event, profile, sum FROM account WHERE app_id = ?1 AND user_id = ?2",
    )?;
    let mut rows = statement.query(params![owner.app.number(), owner.user.as_str()])?;
    let Some(row) = rows.next()? else { return Ok((None, 0)) };
    sums::check("account", key(owner), row, 4)?;
    Ok((Some(Arc::new(account_in(row, 3)?)), event(row, 2)?))
}

/// Reads the account in a row. Its first columns are the nickname and the portrait, and `profile` is that of the other
/// fields.
fn account_in(row: &Row<'_>, profile: usize) -> Result<Account, StoreError> {
    let bytes: Option<Vec<u8>> = row.get(profile)?;
    decode_account(row.get(0)?, row.get(1)?, bytes.as_deref()).map_err(|reason| StoreError::Damaged {
        what: Damaged::Database,
        reason: format!("a profile: {reason}"),
    })
}

/// Reads the number of an event, which rows of an older format lack.
fn event(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, Option<i64>>(column)?.map_or(0, unsigned))
}

/// Returns the key of an owner's rows, for their checksums.
fn key(owner: &Owner) -> [Column<'_>; 2] {
    [Column::Number(owner.app.number().into()), Column::Text(owner.user.as_str().as_bytes())]
}
