//! Putting what a line says into a store, or asking whether it could be.

use std::{collections::HashMap, future::Future, pin::Pin, sync::Arc};

use super::{
    Line,
    effect::{About, Effect, Turn, of_owner},
    line::OrganizerLine,
};
use crate::{
    domain::{
        Account, AppId, ChatGroup, ChatGroupId, ChatGroupLife, Conversation, Limits, MAX_NUMBER, Organizer,
        Owner, Presence, UnixSeconds, restore,
    },
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

/// A line on its way into a store; at its end it says what it has changed.
pub type Applying<'a> = Pin<Box<dyn Future<Output = Result<Effect, ApplyError>> + Send + 'a>>;

/// Applies one line. An organizer replaces what its owner had – his counters only rise – and makes
/// his account known if it is not. The change is queued by this call, so that many lines can be on
/// their way at once; what it returns waits for the answer.
///
/// On an error nothing of the line is applied. A line applied for the second time changes nothing.
pub fn apply(store: &dyn Store, line: Line, limits: Limits, now: UnixSeconds) -> Applying<'_> {
    match line {
        Line::Account { owner, account } => self::account(store, owner, account, false),
        Line::ChatGroup { app, id, group } => {
            let change = store.change_chat_group_telling(app, id, move |old| match succession(&group, old) {
                Ok(next) => (Ok(effect_on_chat_group(old, next.as_ref())), next),
                Err(refused) => (Err(ApplyError::Refused(refused)), None),
            });
            Box::pin(async { change.await? })
        }
        Line::Organizer(line) => organizer(store, line, limits, now, HashMap::new(), false),
    }
}

/// What a line about an account or an organizer would do, or be refused for; nothing is changed. `lives` has the chat
/// groups that would live, or not, other than they do now.
pub(super) fn check<'a>(
    store: &'a dyn Store,
    line: Checked,
    limits: Limits,
    now: UnixSeconds,
    lives: &HashMap<(AppId, ChatGroupId), ChatGroupLife>,
) -> Applying<'a> {
    let line = match line {
        Checked::Account(owner, account) => return self::account(store, owner, account, true),
        Checked::Organizer(line) => line,
    };
    let app = line.owner.app;
    let named = line.records.iter().filter_map(|record| record.conversation.chat_group());
    let of_line = named.filter_map(|id| Some((id.clone(), lives.get(&(app, id.clone()))?.alive))).collect();
    organizer(store, line, limits, now, of_line, true)
}

/// A line that is checked against one owner.
pub(super) enum Checked {
    Account(Owner, Account),
    Organizer(OrganizerLine),
}

fn account(store: &dyn Store, owner: Owner, account: Account, only_asked: bool) -> Applying<'_> {
    let account = Arc::new(account);
    let change = store.change_telling(owner, Vec::new(), move |seen| {
        let news = seen.account != Some(&account);
        let turn = Turn::of(seen.account.is_some(), news);
        let next = (news && !only_asked).then(|| Some(Arc::clone(&account)));
        let effect = Effect { changed: next.is_some(), about: About::Account(turn) };
        (effect, Next { account: next, organizer: None })
    });
    Box::pin(async { Ok(change.await?) })
}

/// What a line about a chat group does to it.
pub(super) fn effect_on_chat_group(old: Option<&ChatGroup>, next: Option<&ChatGroup>) -> Effect {
    let destroyed = match (old.map(ChatGroup::life), next.map(ChatGroup::life)) {
        (Some(old), Some(next)) => old.alive && next.incarnation > old.incarnation,
        _ => false,
    };
    let turn = Turn::of(old.is_some(), next.is_some());
    Effect { changed: next.is_some(), about: About::ChatGroup { turn, destroyed } }
}

fn organizer(
    store: &dyn Store,
    line: OrganizerLine,
    limits: Limits,
    now: UnixSeconds,
    lives: HashMap<ChatGroupId, bool>,
    only_asked: bool,
) -> Applying<'_> {
    let named = line.records.iter().map(|record| record.conversation.clone()).collect();
    let owner = line.owner.clone();
    let rule = move |seen: &Seen<'_>| match restored(&line, seen, limits, now, &lives) {
        Ok(organizer) => {
            let made_known = line.known && seen.account.is_none();
            let about = of_owner(&line.owner, seen.organizer, &organizer, made_known);
            if only_asked {
                return (Ok(Effect { changed: false, about }), Next::default());
            }
            let account = made_known.then(|| Some(Arc::default()));
            let organizer = (organizer != *seen.organizer).then_some(organizer);
            let changed = account.is_some() || organizer.is_some();
            (Ok(Effect { changed, about }), Next { account, organizer })
        }
        Err(refused) => (Err(ApplyError::Refused(refused)), Next::default()),
    };
    let change = store.change_telling(owner, named, rule);
    Box::pin(async { change.await? })
}

/// A chat group in the place of what was there, if that is something else.
pub(super) fn succession(line: &ChatGroup, old: Option<&ChatGroup>) -> Result<Option<ChatGroup>, String> {
    let next = ChatGroup {
        incarnation: next_life(line.life(), old.map(ChatGroup::life))?.incarnation,
        profile: line.profile.clone(),
    };
    Ok((Some(&next) != old).then_some(next))
}

/// Where a chat group stands after a line. Its incarnation never falls, and rises when the line destroys what was
/// alive. It cannot exist in the last incarnation, in which it could not be destroyed any more.
pub(super) fn next_life(line: ChatGroupLife, old: Option<ChatGroupLife>) -> Result<ChatGroupLife, String> {
    let before = old.map_or(0, |old| old.incarnation);
    let dies = !line.alive && old.is_none_or(|old| old.alive);
    let incarnation = line.incarnation.max(before.saturating_add(u32::from(dies)).min(MAX_NUMBER));
    match line.alive && incarnation == MAX_NUMBER {
        true => Err(format!(
            "this chat group was destroyed {MAX_NUMBER} times, and its id cannot be used again; choose another id"
        )),
        false => Ok(ChatGroupLife { incarnation, alive: line.alive }),
    }
}

/// The organizer of a line, going on from the counters that its owner has.
fn restored(
    line: &OrganizerLine,
    seen: &Seen<'_>,
    limits: Limits,
    now: UnixSeconds,
    lives: &HashMap<ChatGroupId, bool>,
) -> Result<Organizer, String> {
    if let Some(id) = disbanded(seen, lives) {
        return Err(format!("the chat group {} of a record was disbanded", crate::excerpt::quoted(&id)));
    }
    let incarnation = |conversation: &Conversation| incarnation(seen, conversation);
    let (groups, records) = (line.groups.clone(), line.records.clone());
    let organizer = restore(seen.organizer, line.counters, groups, records, now, incarnation);
    within(limits, organizer.map_err(|unsound| unsound.to_string())?)
}

fn incarnation(seen: &Seen<'_>, conversation: &Conversation) -> u32 {
    match seen.presences.get(conversation) {
        Some(Presence::ChatGroup(Some(life))) => life.incarnation,
        _ => 0,
    }
}

/// A chat group about which nothing can be kept; of several the first by id, so that the same is said each time.
fn disbanded(seen: &Seen<'_>, lives: &HashMap<ChatGroupId, bool>) -> Option<String> {
    let found = seen.presences.iter().filter_map(|(conversation, presence)| match (conversation, presence) {
        (Conversation::ChatGroup(id), Presence::ChatGroup(life)) => {
            let now = life.is_none_or(|life| life.alive);
            (!lives.get(id).copied().unwrap_or(now)).then(|| id.to_string())
        }
        _ => None,
    });
    found.min()
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
