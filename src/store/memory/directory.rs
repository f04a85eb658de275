//! Accounts and chat groups in memory. Each is kept in the partition of its id.

use std::collections::HashSet;

use super::{MemoryStore, lock, partition_of};
use crate::{
    domain::{
        AppId, ChatGroup, ChatGroupDelta, ChatGroupEdit, ChatGroupId, ChatGroupKind, ChatGroupOutcome,
        ChatGroupRejection, ChatGroupState, ChatGroupWorld, Conversation, Decision, Member, Owner, Presence,
        Touch, UserId, WantedMembers,
    },
    store::{
        ChatGroupPage, ChatGroupQuery, ChatGroupWrite, Directory, Membership, Pending, StoreError, guarded,
    },
};

/// How many bits of a page's start are the place within the partition; the higher bits are the partition.
const PLACE_BITS: u32 = 40;

impl MemoryStore {
    pub(super) fn chat_group(&self, app: AppId, id: &ChatGroupId) -> Option<ChatGroupState> {
        self.chat_groups(id).chat_groups.get(&(app, id.clone())).cloned()
    }

    pub(super) fn is_imported(&self, owner: &Owner) -> bool {
        self.owners(owner).owners.get(owner).is_some_and(|(state, _)| state.account.is_some())
    }

    pub(super) fn presence(&self, app: AppId, named: &Conversation, member: &UserId) -> Presence {
        match named {
            Conversation::User(user) => {
                Presence::User { imported: self.is_imported(&Owner { app, user: user.clone() }) }
            }
            Conversation::ChatGroup(id) => {
                let found = self.chat_group(app, id);
                let is_member = found.as_ref().is_none_or(|state| {
                    let profile = state.group.profile.as_ref();
                    profile.is_some_and(|profile| {
                        profile.kind == ChatGroupKind::AvChatRoom || profile.owner.as_ref() == Some(member)
                    }) || state.members.iter().any(|listed| listed.user == *member)
                });
                Presence::ChatGroup { life: found.map(|state| state.group.life()), is_member }
            }
        }
    }

    fn edit_chat_group(
        &self,
        write: &ChatGroupWrite,
    ) -> Result<Result<ChatGroupOutcome, ChatGroupRejection>, StoreError> {
        let ChatGroupWrite { app, id, edit, terms, .. } = write;
        let is_imported = |user: &&UserId| self.is_imported(&Owner { app: *app, user: (*user).clone() });
        let imported: HashSet<UserId> = edit.users().into_iter().filter(is_imported).cloned().collect();
        let old = self.chat_group(*app, id);
        let members = old.as_ref().map_or(Vec::new(), |state| wanted_of(state, &edit.wanted()));
        let key = (*app, id.clone());
        let known = self.chat_groups(id).exits.get(&key).cloned().unwrap_or_default();
        let leavers = edit.leavers();
        let exits: Vec<_> = known.into_iter().filter(|(user, _)| leavers.contains(&user)).collect();
        let world = ChatGroupWorld { terms, imported: &imported, members: &members, exits: &exits };
        let decision = guarded(|| edit.decide(old.as_ref().map(|state| &state.group), world))?;
        let Decision { outcome, change } = match decision {
            Ok(decision) => decision,
            Err(rejection) => return Ok(Err(rejection)),
        };
        if let Some(change) = change.filter(|_| !write.dry_run) {
            let old_incarnation = old.as_ref().map_or(0, |state| state.group.incarnation);
            let next = old.unwrap_or_default().folded(&change.deltas);
            assert_eq!(next.group, change.next, "deltas lead to the next state");
            if next.group.incarnation > old_incarnation {
                if matches!(edit, ChatGroupEdit::Observed { .. }) {
                    self.carry_times(*app, id, old_incarnation, &next.group);
                }
                self.record_disbanding(*app, id, next.group.incarnation, terms.now);
            }
            self.add_memberships(*app, id, &next);
            let mut kept = self.chat_groups(id);
            let exits = kept.exits.entry(key.clone()).or_default();
            for delta in &change.deltas {
                match delta {
                    ChatGroupDelta::ExitNoted(user, at) => drop(exits.insert(user.clone(), *at)),
                    ChatGroupDelta::Began(moment) => exits.retain(|_, at| *at >= moment.at()),
                    _ => {}
                }
            }
            if kept.chat_groups.insert(key.clone(), next).is_none() {
                kept.listed.push(key);
            }
            self.changes.send_modify(|count| *count += 1);
        }
        Ok(Ok(outcome))
    }
}

fn wanted_of(state: &ChatGroupState, wanted: &WantedMembers) -> Vec<Member> {
    match wanted {
        WantedMembers::All => state.members.clone(),
        WantedMembers::Named(users) => {
            state.members.iter().filter(|member| users.contains(&member.user)).cloned().collect()
        }
    }
}

impl MemoryStore {
    /// Records the owner and the members of a chat group on their side, before the chat group itself is changed.
    fn add_memberships(&self, app: AppId, id: &ChatGroupId, next: &ChatGroupState) {
        let Some(profile) = &next.group.profile else { return };
        for user in profile.owner.iter().chain(next.members.iter().map(|member| &member.user)) {
            let owner = Owner { app, user: user.clone() };
            let mut kept = self.owners(&owner);
            kept.memberships.entry(owner).or_default().insert(id.clone(), next.group.incarnation);
        }
    }

    /// Copies the times of a chat group to its next life if they are from after its beginning.
    fn carry_times(&self, app: AppId, id: &ChatGroupId, incarnation: u32, next: &ChatGroup) {
        let known = self.chat_groups(id).times.get(&(app, id.clone())).copied().unwrap_or_default();
        if let Some(times) = next.carried(known.times, incarnation) {
            self.raise(Touch::ChatGroup { app, id: id.clone(), times });
        }
    }

    fn find_membership(&self, owner: &Owner, id: &ChatGroupId) -> Option<Membership> {
        Membership::of(&owner.user, id, &self.chat_group(owner.app, id)?)
    }

    pub(super) fn living_memberships(&self, owner: &Owner) -> Vec<Membership> {
        let ids = self.owners(owner).memberships.get(owner).cloned().unwrap_or_default();
        ids.keys().filter_map(|id| self.find_membership(owner, id)).collect()
    }

    pub(super) fn delete_dead_memberships(&self, owner: &Owner) {
        let mut ids = self.owners(owner).memberships.get(owner).cloned().unwrap_or_default();
        ids.retain(|id, _| self.find_membership(owner, id).is_some());
        self.owners(owner).memberships.insert(owner.clone(), ids);
    }
}

impl Directory for MemoryStore {
    fn accounts(&self, app: AppId, users: Vec<UserId>) -> Pending<'_, Vec<bool>> {
        self.read(|| users.into_iter().map(|user| self.is_imported(&Owner { app, user })).collect())
    }

    fn presences(&self, app: AppId, named: Vec<Conversation>) -> Pending<'_, Vec<Presence>> {
        let without_membership = |presence| match presence {
            Presence::ChatGroup { life, .. } => Presence::ChatGroup { life, is_member: true },
            other => other,
        };
        let nobody = UserId::parse("-").expect("one byte is a user id");
        let presence = |named: &Conversation| without_membership(self.presence(app, named, &nobody));
        self.read(|| named.iter().map(presence).collect())
    }

    fn chat_groups(
        &self,
        app: AppId,
        ids: Vec<ChatGroupId>,
        wanted: WantedMembers,
    ) -> Pending<'_, Vec<Option<ChatGroupState>>> {
        let find = |id: &ChatGroupId| {
            let state = self.chat_group(app, id)?;
            let members = wanted_of(&state, &wanted);
            Some(ChatGroupState { group: state.group, members })
        };
        self.read(|| ids.iter().map(find).collect())
    }

    fn commit_chat_group(
        &self,
        write: ChatGroupWrite,
    ) -> Pending<'_, Result<ChatGroupOutcome, ChatGroupRejection>> {
        self.queue(partition_of(write.id.as_str()), move |store| store.edit_chat_group(&write))
    }

    fn list_chat_groups(&self, app: AppId, query: ChatGroupQuery) -> Pending<'_, ChatGroupPage> {
        let mut living: Vec<(u64, ChatGroupId)> = Vec::new();
        for (partition, number) in self.partitions.iter().zip(0u64..) {
            let kept = lock(&partition.kept);
            for (key, place) in kept.listed.iter().zip(1u64..) {
                let Some(profile) = &kept.chat_groups[key].group.profile else { continue };
                let fits = query.kind.is_none_or(|wanted| wanted.aliases().contains(&profile.kind));
                if key.0 == app && fits {
                    living.push((number << PLACE_BITS | place, key.1.clone()));
                }
            }
        }
        let total = living.len();
        let mut rest = living.into_iter().filter(|(place, _)| *place >= query.from);
        let ids = rest.by_ref().take(query.limit).map(|(_, id)| id).collect();
        let page = ChatGroupPage { ids, next: rest.next().map(|(place, _)| place), total };
        self.read(|| page)
    }

    fn memberships(&self, owner: &Owner) -> Pending<'_, Vec<Membership>> {
        self.read(|| self.living_memberships(owner))
    }
}
