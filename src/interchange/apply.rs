//! Applies lines to a store, and checks whether they could be applied.

use std::{collections::HashMap, future::Future, pin::Pin};

use super::{
    Line, OrganizerLine, SessionsLine,
    effect::{About, ChangeKind, Effect, of_owner},
};
use crate::{
    domain::{
        Account, AppId, ChatGroupEdit, ChatGroupId, ChatGroupLife, ChatGroupOutcome, ChatGroupState,
        ChatGroupTimes, Conversation, Edit, Outcome, Owner, Presence, Session, SessionTimes, Terms, Touch,
        UnixSeconds, UserId, World,
    },
    store::{CallContext, ChatGroupWrite, Store, StoreError, Write},
};

/// Why a line could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The line was refused, for example because it contradicts itself or exceeds a limit.
    #[error("{0}")]
    Refused(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The future that applies or checks one line. It returns the effect of the line.
pub type Applying<'a> = Pin<Box<dyn Future<Output = Result<Effect, ApplyError>> + Send + 'a>>;

/// Applies one line. An organizer replaces the previous data of its owner, except that counters only rise, and imports
/// the account if necessary. The edit is queued before this function returns, so that many lines can be in progress at
/// once; the future waits for the outcome. Edits of different owners and chat groups are made in any order.
///
/// If it fails, nothing of the line is applied. Applying a line again changes nothing.
pub fn apply(store: &dyn Store, line: Line, terms: Terms, context: CallContext) -> Applying<'_> {
    let (owner, edit) = match line {
        Line::ChatGroup { app, id, state: ChatGroupState { group, members }, last } => {
            let now = terms.now;
            let edit = ChatGroupEdit::Restore { group, members };
            let write = ChatGroupWrite { context, ..ChatGroupWrite::new(app, id.clone(), edit, terms) };
            let commit = store.commit_chat_group(write);
            return Box::pin(async move {
                let outcome =
                    commit.await?.map_err(|rejection| ApplyError::Refused(rejection.to_string()))?;
                let effect = effect_on_chat_group(&outcome);
                let living = outcome.after.filter(|after| after.alive && last > 0);
                let Some(ChatGroupLife { incarnation, .. }) = living else { return Ok(effect) };
                let is_raised = raise_chat_group(store, app, id, incarnation, last, now).await?;
                Ok(Effect { changed: effect.changed || is_raised, ..effect })
            });
        }
        Line::Account { owner, account } => (owner, import_of(account)),
        Line::Organizer(OrganizerLine { owner, restoration }) => (owner, Edit::Restore(restoration)),
        Line::Sessions(line) => return Box::pin(apply_sessions(store, line, terms, context)),
    };
    let commit = store.commit(Write { context, ..Write::new(owner.clone(), edit, terms) });
    Box::pin(async move {
        let outcome = commit.await?.map_err(|rejection| ApplyError::Refused(rejection.to_string()))?;
        Ok(effect_on_owner(&owner, &outcome))
    })
}

/// Raises the time of the newest message of a chat group, unless it is as late already. Returns whether it was raised.
async fn raise_chat_group(
    store: &dyn Store,
    app: AppId,
    id: ChatGroupId,
    incarnation: u32,
    last: UnixSeconds,
    now: UnixSeconds,
) -> Result<bool, StoreError> {
    let known = store.chat_group_times(app, vec![(id.clone(), incarnation)]).await?;
    if known.first().is_some_and(|times| times.last() >= last) {
        return Ok(false);
    }
    let times = ChatGroupTimes { incarnation, times: SessionTimes::new(last, now) };
    store.touch(vec![Touch::ChatGroup { app, id, times }]).await?;
    Ok(true)
}

/// Applies a line of sessions. Times only rise, and only those that rise are touched, so that applying a line again changes
/// nothing. Marks are set as the line has them.
async fn apply_sessions(
    store: &dyn Store,
    mut line: SessionsLine,
    terms: Terms,
    context: CallContext,
) -> Result<Effect, ApplyError> {
    let (app, now) = (line.owner.app, terms.now);
    let named: Vec<Conversation> = line.sessions.iter().map(|item| item.conversation.clone()).collect();
    let presences = store.presences(app, named).await?;
    let mut lives = Vec::new();
    let mut groups = Vec::new();
    for (item, presence) in line.sessions.iter().zip(presences) {
        let current = match presence {
            Presence::ChatGroup { life, .. } => life.unwrap_or(ChatGroupLife { incarnation: 0, alive: true }),
            Presence::User { .. } | Presence::Unreadable => ChatGroupLife { incarnation: 0, alive: true },
        };
        let is_current = item.incarnation.is_none_or(|incarnation| incarnation == current.incarnation);
        lives.push(current.alive && is_current);
        if let Some(id) =
            item.conversation.chat_group().filter(|_| current.alive && is_current && item.last > 0)
        {
            groups.push((id.clone(), current.incarnation, item.last));
        }
    }
    // Sessions of an earlier life of a chat group are over.
    let mut lives = lives.into_iter();
    line.sessions.retain(|_| lives.next().unwrap_or(false));
    let peers = line.peers();
    let known = peers.iter().map(|(peer, _)| Conversation::User(peer.clone())).collect();
    let known = store.sessions(&line.owner, known).await?;
    let rises = |((_, last), session): (&(UserId, UnixSeconds), &Session)| {
        *last > session.times.last().max(session.marks.deleted)
    };
    let mut rising = peers.iter().zip(&known).map(rises).collect::<Vec<bool>>().into_iter();
    let raised: Vec<_> = peers.into_iter().filter(|_| rising.next().unwrap_or(false)).collect();
    let mut is_raised = !raised.is_empty();
    for (id, incarnation, last) in groups {
        is_raised |= raise_chat_group(store, app, id, incarnation, last, now).await?;
    }
    let edit = line.edit();
    store.touch(line.touches(raised, now)).await?;
    let write = Write { context, ..Write::new(line.owner, edit, terms) };
    let outcome =
        store.commit(write).await?.map_err(|rejection| ApplyError::Refused(rejection.to_string()))?;
    Ok(Effect {
        changed: is_raised || matches!(outcome, Outcome::Sessions { changed: true }),
        about: About::Nothing,
    })
}

/// Determines the effect of a line about an owner, or why it would be refused, without changing anything. The reads
/// are queued before this function returns. `lives` contains the chat groups whose state the lines before this one would
/// change.
pub(super) fn check<'a>(
    store: &'a dyn Store,
    owner: Owner,
    edit: Edit,
    terms: Terms,
    lives: &HashMap<(AppId, ChatGroupId), ChatGroupLife>,
) -> Applying<'a> {
    let app = owner.app;
    let named: Vec<Conversation> = edit.named().into_iter().cloned().collect();
    let lives: HashMap<Conversation, ChatGroupLife> = (named.iter())
        .filter_map(|named| Some((named.clone(), *lives.get(&(app, named.chat_group()?.clone()))?)))
        .collect();
    let state = store.load(&owner);
    let presences = (!named.is_empty()).then(|| store.presences(app, named.clone()));
    Box::pin(async move {
        let state = state.await?.state;
        let presences = match presences {
            Some(presences) => presences.await?,
            None => Vec::new(),
        };
        let mut presences: HashMap<Conversation, Presence> = named.into_iter().zip(presences).collect();
        for (named, life) in lives {
            presences.insert(named, Presence::ChatGroup { life: Some(life), is_member: true });
        }
        let world = World { owner: &owner.user, terms: &terms, presences: &presences, sessions: None };
        let decision = edit.decide(&state, &[], world);
        let outcome = decision.map_err(|rejection| ApplyError::Refused(rejection.to_string()))?.outcome;
        Ok(Effect { changed: false, ..effect_on_owner(&owner, &outcome) })
    })
}

/// Returns the edit for a line about an account.
pub(super) fn import_of(account: Account) -> Edit {
    Edit::RestoreAccount(account)
}

fn effect_on_owner(owner: &Owner, outcome: &Outcome) -> Effect {
    match outcome {
        Outcome::Account { existed, changed } => {
            Effect { changed: *changed, about: About::Account(ChangeKind::of(*existed, *changed)) }
        }
        Outcome::Restored { before, after, made_known } => Effect {
            changed: *made_known || before != after,
            about: of_owner(owner, before, after, *made_known),
        },
        Outcome::Sessions { changed } => Effect { changed: *changed, about: About::Nothing },
        Outcome::Grouped(_) | Outcome::Marked(_) | Outcome::Undone(_) => Effect::default(),
    }
}

/// Returns the effect of a line about a chat group.
pub(super) fn effect_on_chat_group(outcome: &ChatGroupOutcome) -> Effect {
    let ChatGroupOutcome { before, after, changed, .. } = *outcome;
    let destroyed = match (before, after) {
        (Some(before), Some(after)) => before.alive && after.incarnation > before.incarnation,
        _ => false,
    };
    let kind = ChangeKind::of(before.is_some(), changed);
    Effect { changed, about: About::ChatGroup { kind, destroyed } }
}
