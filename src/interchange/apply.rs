//! Applies lines to a store, and checks whether they could be applied.

use std::{collections::HashMap, future::Future, pin::Pin};

use super::{
    Line, OrganizerLine,
    effect::{About, ChangeKind, Effect, of_owner},
};
use crate::{
    domain::{
        Account, AppId, ChatGroupEdit, ChatGroupId, ChatGroupLife, ChatGroupOutcome, ChatGroupState,
        Conversation, Edit, Outcome, Owner, Presence, Terms, World,
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
        Line::ChatGroup { app, id, state: ChatGroupState { group, members } } => {
            let edit = ChatGroupEdit::Restore { group, members };
            let write = ChatGroupWrite { context, ..ChatGroupWrite::new(app, id, edit, terms) };
            let commit = store.commit_chat_group(write);
            return Box::pin(async {
                let outcome =
                    commit.await?.map_err(|rejection| ApplyError::Refused(rejection.to_string()))?;
                Ok(effect_on_chat_group(&outcome))
            });
        }
        Line::Account { owner, account } => (owner, import_of(account)),
        Line::Organizer(OrganizerLine { owner, restoration }) => (owner, Edit::Restore(restoration)),
    };
    let commit = store.commit(Write { context, ..Write::new(owner.clone(), edit, terms) });
    Box::pin(async move {
        let outcome = commit.await?.map_err(|rejection| ApplyError::Refused(rejection.to_string()))?;
        Ok(effect_on_owner(&owner, &outcome))
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
        let world = World { owner: &owner.user, terms: &terms, presences: &presences };
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
