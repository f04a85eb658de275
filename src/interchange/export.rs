//! Exports a whole store, or one app, as lines, in pieces.

use std::{collections::VecDeque, sync::Arc};

use super::{chat_group::write_chat_group, sessions::write_sessions, write::write_owner};
use crate::{
    domain::{AppId, ChatGroupId, Owner, SessionTimes},
    store::{Cursor, Part, Store, StoreError},
};

/// An export in progress. For each app, it returns first the chat groups, then the owners, then their sessions, in the
/// order of the store.
/// Each line is a consistent state of its subject; changes made during the export may or may not be included.
pub struct Export {
    store: Arc<dyn Store>,
    apps: Option<VecDeque<AppId>>,
    place: Place,
}

enum Place {
    ChatGroups(Option<Cursor>),
    Owners(Option<Cursor>),
    Sessions(Option<Cursor>),
}

impl Export {
    /// Starts an export of one app, or of all apps.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, only: Option<AppId>) -> Export {
        Export { store, apps: only.map(|app| [app].into()), place: Place::ChatGroups(None) }
    }

    /// Returns the next complete lines, or `None` at the end.
    ///
    /// # Errors
    /// Fails if the store fails. The lines returned before are valid, but the export is incomplete.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        if self.apps.is_none() {
            self.apps = Some(self.store.apps().await?.into());
        }
        let mut out = Vec::new();
        while let Some(app) = self.apps.as_ref().and_then(|apps| apps.front().copied()) {
            match &self.place {
                Place::ChatGroups(from) => {
                    let Part { items, next } = self.store.list_all_chat_groups(app, from.clone()).await?;
                    let lives: Vec<(ChatGroupId, u32)> =
                        items.iter().map(|(id, state)| (id.clone(), state.group.incarnation)).collect();
                    let times = self.store.chat_group_times(app, lives).await?;
                    for ((id, state), times) in items.iter().zip(times) {
                        write_chat_group(app, id, state, SessionTimes::last(times), &mut out);
                    }
                    self.place = if next.is_some() { Place::ChatGroups(next) } else { Place::Owners(None) };
                }
                Place::Owners(from) => {
                    let Part { items, next } = self.store.list_owners(app, from.clone()).await?;
                    for (user, state) in items {
                        write_owner(&Owner { app, user }, &state, &mut out);
                    }
                    self.place = if next.is_some() { Place::Owners(next) } else { Place::Sessions(None) };
                }
                Place::Sessions(from) => {
                    let Part { items, next } = self.store.list_sessions(app, from.clone()).await?;
                    write_sessions(app, &items, &mut out);
                    self.place = if next.is_some() {
                        Place::Sessions(next)
                    } else {
                        self.apps.as_mut().and_then(VecDeque::pop_front);
                        Place::ChatGroups(None)
                    };
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
