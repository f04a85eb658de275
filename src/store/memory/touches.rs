//! The times of sessions and of chat groups in memory. Each is kept in the partition of its owner or chat group.

use super::{MemoryStore, PARTITIONS, partition_of};
use crate::{
    domain::{AppId, ChatGroupId, Owner, SessionTimes, Touch, UserId},
    store::{Pending, Touches},
};

impl Touches for MemoryStore {
    fn touch(&self, touches: Vec<Touch>) -> Pending<'_, ()> {
        let mut divided: [Vec<Touch>; PARTITIONS] = Default::default();
        for touch in touches {
            let partition = partition_of(match &touch {
                Touch::Peer { owner, .. } => owner.user.as_str(),
                Touch::ChatGroup { id, .. } => id.as_str(),
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

    fn sessions(&self, owner: &Owner) -> Pending<'_, Vec<(UserId, SessionTimes)>> {
        self.read(|| {
            let kept = self.owners(owner);
            let sessions = kept.sessions.get(owner).into_iter().flatten();
            sessions.map(|(peer, times)| (peer.clone(), *times)).collect()
        })
    }

    fn chat_group_times(&self, app: AppId, lives: Vec<(ChatGroupId, u32)>) -> Pending<'_, Vec<SessionTimes>> {
        self.read(|| {
            let times = |(id, incarnation)| {
                let kept = self.chat_groups(&id).times.get(&(app, id)).copied();
                kept.unwrap_or_default().of(incarnation)
            };
            lives.into_iter().map(times).collect()
        })
    }
}

impl MemoryStore {
    pub(super) fn raise(&self, touch: Touch) {
        match touch {
            // Times that raise nothing, not even from zero, do not create a session.
            Touch::Peer { times, .. } if times == SessionTimes::default() => {}
            Touch::Peer { owner, peer, times } => {
                let mut kept = self.owners(&owner);
                let session = kept.sessions.entry(owner).or_default().entry(peer).or_default();
                *session = session.joined(times);
            }
            Touch::ChatGroup { app, id, times } => {
                let mut kept = self.chat_groups(&id);
                let group = kept.times.entry((app, id)).or_default();
                *group = group.joined(times);
            }
        }
    }
}
