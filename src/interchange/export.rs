//! Everything of a store, or of one app, as lines: some of them at a time.

use std::{collections::VecDeque, sync::Arc};

use super::write::{write_chat_group, write_owner};
use crate::{
    domain::{AppId, Owner, UserId},
    store::{Store, StoreError},
};

/// An export on its way. App by app come the chat groups, in the order in which the store heard of
/// them, then the owners by their ids. Each line is true at one moment; what changes meanwhile may or
/// may not be in lines that come later.
pub struct Export {
    store: Arc<dyn Store>,
    apps: Option<VecDeque<AppId>>,
    place: Place,
}

enum Place {
    ChatGroups(u64),
    Owners(Option<UserId>),
}

impl Export {
    /// An export of one app, or of all.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, only: Option<AppId>) -> Export {
        Export { store, apps: only.map(|app| [app].into()), place: Place::ChatGroups(0) }
    }

    /// The next lines, whole ones; nothing at the end.
    ///
    /// # Errors
    /// When the store fails. What came before is true, but not all.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        if self.apps.is_none() {
            self.apps = Some(self.store.apps().await?.into());
        }
        let mut out = Vec::new();
        while let Some(app) = self.apps.as_ref().and_then(|apps| apps.front().copied()) {
            match &mut self.place {
                Place::ChatGroups(after) => {
                    let groups = self.store.all_chat_groups(app, *after).await?;
                    for (place, id, group) in &groups {
                        write_chat_group(app, id, group, &mut out);
                        *after = *place;
                    }
                    if groups.is_empty() {
                        self.place = Place::Owners(None);
                    }
                }
                Place::Owners(after) => {
                    let owners = self.store.list_owners(app, after.clone()).await?;
                    let none = owners.is_empty();
                    for (user, loaded) in owners {
                        let owner = Owner { app, user };
                        write_owner(&owner, &loaded, &mut out);
                        *after = Some(owner.user);
                    }
                    if none {
                        self.apps.as_mut().and_then(VecDeque::pop_front);
                        self.place = Place::ChatGroups(0);
                    }
                }
            }
            if !out.is_empty() {
                return Ok(Some(out));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
#[path = "export_tests.rs"]
mod tests;
