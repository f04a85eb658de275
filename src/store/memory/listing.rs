//! Lists everything that the in-memory store keeps, partition by partition.

use super::{MemoryStore, lock};
use crate::{
    domain::{AppId, ChatGroupId, ChatGroupState, Conversation, Owner, OwnerState, Session, UserId},
    store::{Cursor, Listing, Part, Pending},
};

/// The number of items in one part of a list.
const PART: usize = 3;

impl Listing for MemoryStore {
    fn apps(&self) -> Pending<'_, Vec<AppId>> {
        let mut apps = Vec::new();
        for partition in &self.partitions {
            let kept = lock(&partition.kept);
            apps.extend(kept.owners.keys().map(|owner| owner.app));
            apps.extend(kept.listed.iter().map(|(app, _)| *app));
            apps.extend(kept.sessions.keys().map(|owner| owner.app));
        }
        apps.sort();
        apps.dedup();
        self.read(|| apps)
    }

    fn list_owners(&self, app: AppId, from: Option<Cursor>) -> Pending<'_, Part<(UserId, OwnerState)>> {
        let all = self.partitions.iter().zip(0usize..).flat_map(|(partition, number)| {
            let kept = lock(&partition.kept);
            let mut users: Vec<UserId> =
                kept.owners.keys().filter(|owner| owner.app == app).map(|owner| owner.user.clone()).collect();
            users.sort();
            users.into_iter().map(move |user| (format!("{number} {}", user.as_str()), user))
        });
        let part = part(all, from.as_ref());
        let load = |user: UserId| {
            let state = self.living(&Owner { app, user: user.clone() }).state;
            (user, state)
        };
        let items = part.items.into_iter().map(load).collect();
        self.read(|| Part { items, next: part.next })
    }

    fn list_all_chat_groups(
        &self,
        app: AppId,
        from: Option<Cursor>,
    ) -> Pending<'_, Part<(ChatGroupId, ChatGroupState)>> {
        let all = self.partitions.iter().zip(0usize..).flat_map(|(partition, number)| {
            let listed = lock(&partition.kept).listed.clone();
            let of_app = listed.into_iter().zip(0u32..).filter(|((of, _), _)| *of == app);
            of_app.map(move |((_, id), place)| (format!("{number} {place:010}"), id)).collect::<Vec<_>>()
        });
        let part = part(all, from.as_ref());
        let load = |id: ChatGroupId| {
            let ChatGroupState { group, members } = self.chat_group(app, &id)?;
            Some((id, ChatGroupState { group, members }))
        };
        let items = part.items.into_iter().filter_map(load).collect();
        self.read(|| Part { items, next: part.next })
    }

    fn list_sessions(
        &self,
        app: AppId,
        from: Option<Cursor>,
    ) -> Pending<'_, Part<(UserId, Conversation, Session)>> {
        let all = self.partitions.iter().zip(0usize..).flat_map(|(partition, number)| {
            let kept = lock(&partition.kept);
            let owners = kept.sessions.iter().filter(|(owner, _)| owner.app == app);
            let mut listed: Vec<_> = owners
                .flat_map(|(owner, sessions)| {
                    sessions.iter().map(|(named, session)| (owner.user.clone(), named.clone(), *session))
                })
                .collect();
            listed.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
            let places = (0..listed.len()).map(move |place| format!("{number} {place:010}"));
            places.zip(listed).collect::<Vec<_>>()
        });
        let part = part(all, from.as_ref());
        self.read(|| part)
    }
}

/// Returns the next items of a list, in the order of its cursors.
fn part<T>(all: impl Iterator<Item = (String, T)>, from: Option<&Cursor>) -> Part<T> {
    let rest = all.filter(|(place, _)| from.is_none_or(|Cursor(last)| place > last));
    let (places, items): (Vec<String>, Vec<T>) = rest.take(PART).unzip();
    Part { items, next: places.into_iter().next_back().map(Cursor) }
}
