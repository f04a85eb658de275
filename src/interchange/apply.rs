//! Putting what a line says into a store.

use std::{future::Future, pin::Pin, sync::Arc};

use super::{Line, line::OrganizerLine};
use crate::{
    domain::{ChatGroup, ChatGroupLife, Conversation, Limits, Organizer, Presence, restore},
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

/// A line on its way into a store.
pub type Applying<'a> = Pin<Box<dyn Future<Output = Result<(), ApplyError>> + Send + 'a>>;

/// Applies one line. An organizer replaces what its owner had – his counters only rise – and makes
/// his account known if it is not. The change is queued by this call, so that many lines can be on
/// their way at once; what it returns waits for the answer.
///
/// On an error nothing of the line is applied.
pub fn apply(store: &dyn Store, line: Line, limits: Limits) -> Applying<'_> {
    match line {
        Line::Account { owner, account } => {
            let account = Arc::new(account);
            let rule =
                move |_: &Seen<'_>| Next { account: Some(Some(Arc::clone(&account))), organizer: None };
            let change = store.change(owner, Vec::new(), Box::new(rule));
            Box::pin(async { Ok(change.await?) })
        }
        Line::ChatGroup { app, id, group } => {
            let change = store.change_chat_group(app, id, Box::new(move |old| succession(&group, old)));
            Box::pin(async { Ok(change.await?) })
        }
        Line::Organizer(line) => {
            let named = line.records.iter().map(|record| record.conversation.clone()).collect();
            let owner = line.owner.clone();
            let rule = move |seen: &Seen<'_>| match restored(&line, seen, limits) {
                Ok(organizer) => {
                    let account = seen.account.is_none().then(|| Some(Arc::default()));
                    let organizer = (organizer != *seen.organizer).then_some(organizer);
                    (Ok(()), Next { account, organizer })
                }
                Err(refused) => (Err(ApplyError::Refused(refused)), Next::default()),
            };
            let change = store.change_telling(owner, named, rule);
            Box::pin(async { change.await? })
        }
    }
}

/// A chat group in the place of what was there. Its incarnation never falls, and rises when the
/// line destroys what was alive.
fn succession(line: &ChatGroup, old: Option<&ChatGroup>) -> Option<ChatGroup> {
    let before = old.map_or(0, |old| old.incarnation);
    let dies = line.profile.is_none() && old.is_none_or(|old| old.profile.is_some());
    let next = ChatGroup {
        incarnation: line.incarnation.max(before + u32::from(dies)),
        profile: line.profile.clone(),
    };
    (Some(&next) != old).then_some(next)
}

/// The organizer of a line, going on from the counters that its owner has.
fn restored(line: &OrganizerLine, seen: &Seen<'_>, limits: Limits) -> Result<Organizer, String> {
    if let Some(id) = disbanded(seen) {
        return Err(format!("the chat group {id:?} of a record was disbanded"));
    }
    let incarnation = |conversation: &Conversation| incarnation(seen, conversation);
    let (groups, records) = (line.groups.clone(), line.records.clone());
    let organizer = restore(seen.organizer, line.counters, groups, records, incarnation);
    within(limits, organizer.map_err(|unsound| unsound.to_string())?)
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
