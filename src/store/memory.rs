//! The reference store: plain maps under one lock. For tests; it forgets everything at exit.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    ChatGroupPage, ChatGroupQuery, ChatGroupRule, Loaded, Next, OwnerRule, Pending, Readiness, Scope, Seen,
    Store, guarded,
};
use crate::domain::{
    Account, AppId, ChatGroup, ChatGroupId, Conversation, Organizer, Owner, Presence, UserId,
};

/// How much is listed at a time.
const PAGE: usize = 3;

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    accounts: HashMap<Owner, Arc<Account>>,
    organizers: HashMap<Owner, Organizer>,
    chat_groups: HashMap<(AppId, ChatGroupId), ChatGroup>,
    /// In the order they were first heard of.
    listed: Vec<(AppId, ChatGroupId)>,
}

impl MemoryStore {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn organizer(&self, owner: &Owner) -> (Organizer, Vec<u32>) {
        let organizer = self.organizers.get(owner).cloned().unwrap_or_default();
        let dead = organizer
            .dead(|id| self.chat_groups.get(&(owner.app, id.clone())).map_or(0, |group| group.incarnation));
        (organizer, dead)
    }

    fn presence(&self, app: AppId, conversation: &Conversation) -> Presence {
        match conversation {
            Conversation::User(user) => {
                let peer = Owner { app, user: user.clone() };
                Presence::User { imported: self.accounts.contains_key(&peer) }
            }
            Conversation::ChatGroup(id) => {
                Presence::ChatGroup(self.chat_groups.get(&(app, id.clone())).map(ChatGroup::life))
            }
        }
    }
}

impl Store for MemoryStore {
    fn load(&self, owner: &Owner) -> Pending<'_, Loaded> {
        let kept = self.kept();
        let (organizer, dead) = kept.organizer(owner);
        let loaded = Loaded {
            account: kept.accounts.get(owner).cloned(),
            organizer: Arc::new(organizer.living(&dead)),
        };
        Box::pin(async { Ok(loaded) })
    }

    fn accounts(&self, owners: Vec<Owner>) -> Pending<'_, Vec<bool>> {
        let kept = self.kept();
        let known = owners.iter().map(|owner| kept.accounts.contains_key(owner)).collect();
        Box::pin(async { Ok(known) })
    }

    fn change(&self, owner: Owner, named: Vec<Conversation>, mut rule: OwnerRule) -> Pending<'_, ()> {
        let mut kept = self.kept();
        let presences = (named.into_iter())
            .map(|conversation| {
                let presence = kept.presence(owner.app, &conversation);
                (conversation, presence)
            })
            .collect();
        let (organizer, dead) = kept.organizer(&owner);
        let buried = organizer.buried(&dead);
        let seen = Seen { account: kept.accounts.get(&owner), organizer: &buried, presences: &presences };
        let Next { account, organizer } = match guarded(|| rule(&seen)) {
            Ok(next) => next,
            Err(error) => return Box::pin(async { Err(error) }),
        };
        match account {
            Some(Some(account)) => drop(kept.accounts.insert(owner.clone(), account)),
            Some(None) => drop(kept.accounts.remove(&owner)),
            None => {}
        }
        if let Some(organizer) = organizer {
            kept.organizers.insert(owner, organizer);
        }
        Box::pin(async { Ok(()) })
    }

    fn chat_groups(&self, app: AppId, ids: Vec<ChatGroupId>) -> Pending<'_, Vec<Option<ChatGroup>>> {
        let kept = self.kept();
        let found = ids.into_iter().map(|id| kept.chat_groups.get(&(app, id)).cloned()).collect();
        Box::pin(async { Ok(found) })
    }

    fn change_chat_group(&self, app: AppId, id: ChatGroupId, mut rule: ChatGroupRule) -> Pending<'_, ()> {
        let mut kept = self.kept();
        let key = (app, id);
        match guarded(|| rule(kept.chat_groups.get(&key))) {
            Ok(Some(next)) => {
                if kept.chat_groups.insert(key.clone(), next).is_none() {
                    kept.listed.push(key);
                }
            }
            Ok(None) => {}
            Err(error) => return Box::pin(async { Err(error) }),
        }
        Box::pin(async { Ok(()) })
    }

    fn list_chat_groups(&self, app: AppId, query: ChatGroupQuery) -> Pending<'_, ChatGroupPage> {
        let kept = self.kept();
        let fits = |key: &(AppId, ChatGroupId)| {
            let kind = kept.chat_groups[key].profile.as_ref().map(|profile| profile.kind);
            key.0 == app
                && kind.is_some()
                && query.kind.is_none_or(|wanted| kind.is_some_and(|kind| wanted.aliases().contains(&kind)))
        };
        let living: Vec<(u64, &ChatGroupId)> = (1..)
            .zip(&kept.listed)
            .filter(|(_, key)| fits(key))
            .map(|(place, key)| (place, &key.1))
            .collect();
        let mut rest = living.iter().filter(|(place, _)| *place >= query.from);
        let ids = rest.by_ref().take(query.limit).map(|(_, id)| (*id).clone()).collect();
        let page = ChatGroupPage { ids, next: rest.next().map(|(place, _)| *place), total: living.len() };
        Box::pin(async { Ok(page) })
    }

    fn apps(&self) -> Pending<'_, Vec<AppId>> {
        let kept = self.kept();
        let owners = kept.accounts.keys().chain(kept.organizers.keys()).map(|owner| owner.app);
        let mut apps: Vec<AppId> = owners.chain(kept.listed.iter().map(|(app, _)| *app)).collect();
        apps.sort();
        apps.dedup();
        Box::pin(async { Ok(apps) })
    }

    fn list_owners(&self, app: AppId, after: Option<UserId>) -> Pending<'_, Vec<(UserId, Loaded)>> {
        let kept = self.kept();
        let mut users: Vec<&UserId> = (kept.accounts.keys().chain(kept.organizers.keys()))
            .filter(|owner| owner.app == app && after.as_ref().is_none_or(|after| owner.user > *after))
            .map(|owner| &owner.user)
            .collect();
        users.sort();
        users.dedup();
        let loaded = (users.into_iter().take(PAGE))
            .map(|user| {
                let owner = Owner { app, user: user.clone() };
                let (organizer, dead) = kept.organizer(&owner);
                let account = kept.accounts.get(&owner).cloned();
                (user.clone(), Loaded { account, organizer: Arc::new(organizer.living(&dead)) })
            })
            .collect();
        Box::pin(async { Ok(loaded) })
    }

    fn all_chat_groups(&self, app: AppId, after: u64) -> Pending<'_, Vec<(u64, ChatGroupId, ChatGroup)>> {
        let kept = self.kept();
        let groups = ((1..).zip(&kept.listed))
            .filter(|(place, (of, _))| *place > after && *of == app)
            .map(|(place, key)| (place, key.1.clone(), kept.chat_groups[key].clone()))
            .take(PAGE)
            .collect();
        Box::pin(async { Ok(groups) })
    }

    fn reset(&self, scope: Scope) -> Pending<'_, ()> {
        let mut kept = self.kept();
        kept.accounts.retain(|owner, _| !scope.covers(owner));
        kept.organizers.retain(|owner, _| !scope.covers(owner));
        kept.chat_groups.retain(|(app, _), _| !scope.covers_app(*app));
        // Places of the others stay: what is listed is never renumbered.
        let known: Vec<_> = kept.listed.iter().filter(|(app, _)| !scope.covers_app(*app)).cloned().collect();
        kept.listed = known;
        Box::pin(async { Ok(()) })
    }

    fn ready(&self) -> Pending<'_, Readiness> {
        Box::pin(async { Ok(Readiness::default()) })
    }
}
