//! The times of sessions and of chat groups in memory. Each is kept in the partition of its owner or chat group.

use super::{MemoryStore, PARTITIONS, partition_of};
use crate::{
    domain::{
        AppId, ChatGroupId, Conversation, LastMessage, Numbers, Owner, Posting, Session, SessionTimes, Touch,
    },
    store::{Pending, Recent, RecentQuery, Touches, guarded},
};

impl Touches for MemoryStore {
    fn touch(&self, touches: Vec<Touch>) -> Pending<'_, ()> {
        let mut divided: [Vec<Touch>; PARTITIONS] = Default::default();
        for touch in touches {
            let partition = partition_of(match &touch {
                Touch::Peer { owner, .. } => owner.user.as_str(),
                Touch::ChatGroup { id, .. } | Touch::Messages { id, .. } => id.as_str(),
            });
            divided[partition].push(touch);
        }
        let queued: Vec<_> = (divided.into_iter().enumerate())
            .map(|(partition, touches)| {
                self.queue(partition, move |store| {
                    for touch in touches {
                        store.raise(touch);
                    }
                    Ok(())
                })
            })
            .collect();
        Box::pin(async {
            let mut outcome = Ok(());
            for raised in queued {
                outcome = outcome.and(raised.await);
            }
            outcome
        })
    }

    fn sessions(&self, owner: &Owner, named: Vec<Conversation>) -> Pending<'_, Vec<Session>> {
        self.read(|| named.iter().map(|named| self.session(owner, named)).collect())
    }

    fn recent(&self, owner: &Owner, query: RecentQuery) -> Pending<'_, Recent> {
        // Nothing that was submitted before is left to be written.
        self.run_all();
        let settled = query.terms.now;
        self.read(|| Recent { sessions: self.recent_sessions(owner, &query).into(), settled })
    }

    fn chat_group_times(&self, app: AppId, lives: Vec<(ChatGroupId, u32)>) -> Pending<'_, Vec<SessionTimes>> {
        self.read(|| {
            let times = |(id, incarnation)| {
                let kept = self.chat_groups(&id).times.get(&(app, id)).copied();
                kept.unwrap_or_default().times.of(incarnation)
            };
            lives.into_iter().map(times).collect()
        })
    }

    fn post(&self, posting: Posting) -> Pending<'_, Option<Numbers>> {
        self.queue(partition_of(posting.id.as_str()), move |store| {
            let mut kept = store.chat_groups(&posting.id);
            let key = (posting.app, posting.id.clone());
            let before = kept.times.get(&key).copied().unwrap_or_default();
            let Some((numbers, next)) = guarded(|| posting.decide(before))? else { return Ok(None) };
            if !posting.dry_run && next != before {
                kept.times.insert(key, next);
            }
            Ok(Some(numbers))
        })
    }

    fn last_messages(&self, app: AppId, lives: Vec<(ChatGroupId, u32)>) -> Pending<'_, Vec<LastMessage>> {
        self.read(|| {
            let last = |(id, incarnation)| {
                let kept = self.chat_groups(&id).times.get(&(app, id)).copied();
                kept.unwrap_or_default().of(incarnation)
            };
            lives.into_iter().map(last).collect()
        })
    }
}

impl MemoryStore {
    pub(super) fn raise(&self, touch: Touch) {
        match touch {
            Touch::Peer { owner, needs_account: true, .. } if !self.is_imported(&owner) => {}
            Touch::Peer { owner, peer, times, needs_account: _ } => {
                let conversation = Conversation::User(peer);
                let next = self.session(&owner, &conversation).touched(times);
                self.owners(&owner).put_session(&owner, conversation, next);
            }
            Touch::ChatGroup { app, id, times } => {
                let mut kept = self.chat_groups(&id);
                let group = kept.times.entry((app, id)).or_default();
                *group = group.touched(times);
            }
            Touch::Messages { app, id, incarnation, last } => {
                let mut kept = self.chat_groups(&id);
                let group = kept.times.entry((app, id)).or_default();
                *group = group.counted(incarnation, last);
            }
        }
    }
}
