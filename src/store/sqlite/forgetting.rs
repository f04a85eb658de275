//! Deletes an owner, an app, or everything.

use rusqlite::params;

use super::{deliveries, operations, rows::Rows, schema, sessions};
use crate::store::{Scope, StoreError};

impl Rows<'_> {
    /// Deletes a part of the stored data. A store that is emptied gets a new incarnation (decision 21).
    pub(super) fn forget(self, scope: &Scope) -> Result<(), StoreError> {
        let db = self.db;
        deliveries::begin_again(db, scope)?;
        if let Scope::Owner(owner) = scope {
            sessions::forget(db, owner)?;
            operations::forget(db, owner)?;
        }
        if let Scope::Owner(owner) = scope
            && self.aside(owner)?.is_some()
        {
            // Don't touch the usual tables, which may be damaged. Their rows are ignored as long as the owner is aside.
            self.forget_aside(owner)?;
            return self.write_account_aside(owner, None, 0);
        }
        let mut tables = vec!["organizer", "account", "operation"];
        if self.has_aside {
            tables.extend(["organizer_aside", "account_aside"]);
        }
        if !matches!(scope, Scope::Owner(_)) {
            tables.extend([
                "chat_group",
                "chat_group_member",
                "chat_group_exit",
                "membership",
                "app_event",
                "session",
                "chat_group_times",
                "event",
            ]);
        }
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
            schema::renew(db)?;
        }
        Ok(())
    }
}
