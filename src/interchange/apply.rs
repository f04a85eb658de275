//! Putting what a line says into a store.

use std::sync::{Arc, Mutex, PoisonError};

use super::Line;
use crate::{
    domain::{ChatGroupLife, Conversation, Limits, Organizer, Presence, restore},
    store::{Next, Seen, Store, StoreError},
};

/// Why a line could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// What it says contradicts itself or the limits.
    #[error("{0}")]
    Refused(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Applies one line. An organizer replaces what its owner had – his counters only rise – and makes
/// his account known if it is not.
///
/// # Errors
/// [`ApplyError`]; nothing of the line is then applied.
pub async fn apply(store: &dyn Store, line: Line, limits: Limits) -> Result<(), ApplyError> {
    match line {
        Line::Account { owner, account } => {
            let account = Arc::new(account);
            let rule =
                move |_: &Seen<'_>| Next { account: Some(Some(Arc::clone(&account))), organizer: None };
            Ok(store.change(owner, Vec::new(), Box::new(rule)).await?)
        }
        Line::ChatGroup { app, id, group } => {
            Ok(store.change_chat_group(app, id, Box::new(move |_| Some(group.clone()))).await?)
        }
        Line::Organizer { owner, counters, groups, records } => {
            let named = records.iter().map(|record| record.conversation.clone()).collect();
            let refusal = Arc::new(Mutex::new(None));
            let result = Arc::clone(&refusal);
            let rule = move |seen: &Seen<'_>| {
                let mut counters = counters;
                let old = seen.organizer.emptied();
                counters.version = counters.version.max(old.counters().version);
                counters.last_group = counters.last_group.max(old.counters().last_group);
                counters.last_timestamp = counters.last_timestamp.max(old.counters().last_timestamp);
                let restored = disbanded(seen)
                    .map_or(Ok(()), |id| Err(format!("the chat group {id:?} of a record was disbanded")))
                    .and_then(|()| {
                        restore(counters, groups.clone(), records.clone(), |conversation| {
                            incarnation(seen, conversation)
                        })
                        .map_err(|unsound| unsound.to_string())
                    })
                    .and_then(|organizer| within(limits, organizer));
                match restored {
                    Ok(organizer) => Next {
                        account: seen.account.is_none().then(|| Some(Arc::default())),
                        organizer: Some(organizer),
                    },
                    Err(refused) => {
                        *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused);
                        Next::default()
                    }
                }
            };
            store.change(owner, named, Box::new(rule)).await?;
            match refusal.lock().unwrap_or_else(PoisonError::into_inner).take() {
                Some(refused) => Err(ApplyError::Refused(refused)),
                None => Ok(()),
            }
        }
    }
}

fn incarnation(seen: &Seen<'_>, conversation: &Conversation) -> u32 {
    match seen.presences.get(conversation) {
        Some(Presence::ChatGroup(Some(life))) => life.incarnation,
        _ => 0,
    }
}

/// A chat group about which nothing can be kept.
fn disbanded(seen: &Seen<'_>) -> Option<String> {
    seen.presences.iter().find_map(|(conversation, presence)| match (conversation, presence) {
        (Conversation::ChatGroup(id), Presence::ChatGroup(Some(ChatGroupLife { alive: false, .. }))) => {
            Some(id.to_string())
        }
        _ => None,
    })
}

fn within(limits: Limits, organizer: Organizer) -> Result<Organizer, String> {
    let records = organizer.records();
    let counts = [
        ("conversation groups", organizer.groups().len(), limits.groups),
        (
            "conversations in groups",
            records.iter().filter(|record| record.is_grouped()).count(),
            limits.grouped,
        ),
        ("marked conversations", records.iter().filter(|record| record.is_marked()).count(), limits.marked),
    ];
    match counts.into_iter().find(|(_, found, limit)| found > limit) {
        Some((what, found, limit)) => Err(format!("an owner has at most {limit} {what}, found {found}")),
        None => Ok(organizer),
    }
}
