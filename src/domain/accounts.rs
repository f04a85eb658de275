//! The rules for importing and deleting accounts, and for which owners may organize conversations.

use std::sync::Arc;

use super::{
    Account, Change, Decision, Delta, Outcome, OwnerState, Profile, ProfileTag, ProfileValue, Rejection,
    World,
};

/// Imports an account or updates its profile. Omitted fields keep their values.
pub(super) fn import(
    state: &OwnerState,
    nick: Option<&str>,
    face_url: Option<&str>,
) -> Decision<Outcome, Change> {
    let old = state.account.as_deref().cloned().unwrap_or_default();
    let account = Account {
        nick: nick.map_or(old.nick, str::to_owned),
        face_url: face_url.map_or(old.face_url, str::to_owned),
        profile: old.profile,
    };
    replace(state, account)
}

/// Replaces the account with this one, or imports it.
pub(super) fn replace(state: &OwnerState, account: Account) -> Decision<Outcome, Change> {
    let before = state.account.clone();
    let changed = before.as_deref() != Some(&account);
    let outcome = Outcome::Account { existed: before.is_some(), changed };
    if !changed {
        return Decision { outcome, change: None };
    }
    let account = Arc::new(account);
    let next = OwnerState { account: Some(Arc::clone(&account)), organizer: Arc::clone(&state.organizer) };
    let change = Change { next, deltas: vec![Delta::AccountImported { before, account }] };
    Decision { outcome, change: Some(change) }
}

/// Sets fields of the profile, in this order; a value that is `None` clears its field. An account that exists without
/// being stored is stored, unless nothing changes.
///
/// # Errors
/// Returns [`Rejection::TooManyTags`] if the profile would have too many fields of the app's own.
pub(super) fn set_profile(
    state: &OwnerState,
    fields: &[(ProfileTag, Option<ProfileValue>)],
) -> Result<Decision<Outcome, Change>, Rejection> {
    let old = state.account.as_deref().cloned().unwrap_or_default();
    let mut account = old.clone();
    for (tag, value) in fields {
        account.set(tag.clone(), value.clone());
    }
    if account.profile.is_too_large() {
        return Err(Rejection::TooManyTags { limit: Profile::MOST_CUSTOM });
    }
    if account == old {
        let outcome = Outcome::Account { existed: true, changed: false };
        return Ok(Decision { outcome, change: None });
    }
    Ok(replace(state, account))
}

/// Deletes an account and everything its owner organized; the counters stay (decision 9). An account can exist without
/// being stored, for example in an open directory.
///
/// # Errors
/// Returns [`Rejection::Administrator`] for an administrator, because the configuration defines those (decision 28).
pub(super) fn delete(state: &OwnerState, world: World<'_>) -> Result<Decision<Outcome, Change>, Rejection> {
    let World { owner, terms, .. } = world;
    if terms.directory().appoints(owner) {
        return Err(Rejection::Administrator(owner.clone()));
    }
    let existed = state.account.is_some() || terms.takes_for_granted(owner);
    let organizer = &state.organizer;
    let holds_nothing = organizer.groups().is_empty() && organizer.records().is_empty();
    let (organizer, mut deltas) = if holds_nothing {
        (Arc::clone(organizer), Vec::new())
    } else {
        let (emptied, deltas) = organizer.emptied(terms.now);
        (Arc::new(emptied), deltas)
    };
    deltas.extend(state.account.clone().map(Delta::AccountDeleted));
    let change =
        (!deltas.is_empty()).then_some(Change { next: OwnerState { account: None, organizer }, deltas });
    let outcome = Outcome::Account { existed, changed: state.account.is_some() };
    Ok(Decision { outcome, change })
}

/// Checks that the owner exists.
///
/// # Errors
/// Returns [`Rejection::UnknownOwner`] if not.
pub(super) fn check_owner(state: &OwnerState, world: World<'_>) -> Result<(), Rejection> {
    match state.account.is_some() || world.terms.takes_for_granted(world.owner) {
        true => Ok(()),
        false => Err(Rejection::UnknownOwner(world.owner.clone())),
    }
}
